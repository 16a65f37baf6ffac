import { Problem } from '../../launch/index.mjs';
import { demoPorts } from './demo-ports.js';
import { startGithubEmulator } from './github-emulator.js';
import { githubStory, type GithubTraces } from './github-story.js';
import { startHttpTarget } from './http-target.js';
import { startNextcloudFake } from './nextcloud-fake.js';
import { nextcloudStory } from './nextcloud-story.js';
import { repeatStory } from './repeat-story.js';
import { runningVane } from './running-vane.js';
import { StepFailed, Steps } from './steps.js';
import { DemoWorkspace } from './workspace.js';

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function demo(steps: Steps, closers: (() => Promise<void>)[]): Promise<void> {
  const ports = await demoPorts();
  const instance = await steps.step('Vane is up', () => runningVane(ports, say), ({ started, api }) => `${started ? 'started now' : 'it was running'}, ${api}`);
  /** Whatever was started ends with the demo. */
  const keep = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const started = await starting;
    closers.push(() => started.close());
    return started;
  };
  const target = await keep(startHttpTarget(ports.target));
  const workspace = await steps.step('Create a workspace and a token', () => DemoWorkspace.create(instance.api, instance.adminToken), ({ id }) => id);
  const traces = await githubStory({
    steps, workspace, target, address: `http://127.0.0.1:${ports.github}`,
    start: (redirectUri) => keep(startGithubEmulator(ports.github, redirectUri)),
  });
  await repeatStory({ steps, workspace });
  await nextcloudStory({
    steps, workspace, address: `http://127.0.0.1:${ports.nextcloud}`,
    start: (redirectUri) => keep(startNextcloudFake(ports.nextcloud, redirectUri)),
  });
  showTraces(workspace, traces);
}

/** How to look at what the demo left behind. */
function showTraces({ id, api }: DemoWorkspace, { trigger, event, run }: GithubTraces): void {
  const base = `${api.baseUrl}/api/v1/workspaces/${id}`;
  say('\nLeft to look at:');
  for (const path of [`triggers/${trigger}`, `events/${event}`, `runs/${run}`]) say(`  curl -s -H 'Authorization: Bearer ${api.token}' ${base}/${path}`);
  say('Vane stays up; stop it with ./vane down.\n');
}

const startedAt = performance.now();
const steps = new Steps(say);
const closers: (() => Promise<void>)[] = [];
let failure: unknown;
try {
  if (process.argv.length > 2) throw new Problem('./vane demo takes no arguments.', 2);
  await demo(steps, closers);
} catch (error) {
  failure = error;
} finally {
  for (const close of closers.reverse()) await close();
}
const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
if (failure === undefined) {
  say(JSON.stringify({ ok: true, seconds, steps: steps.times }));
} else {
  if (!(failure instanceof Error)) throw failure;
  const step = failure instanceof StepFailed ? failure.step : null;
  say(`${step ? `${step}: ` : ''}${failure.message}`);
  say(JSON.stringify({ ok: false, seconds, step, error: failure.message.split('\n')[0], steps: steps.times }));
  process.exitCode = failure instanceof Problem ? failure.exitCode : 1;
}
