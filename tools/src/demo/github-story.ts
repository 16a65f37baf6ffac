import { deleteTrigger, pick } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { Browser, formsOf } from './browser.js';
import { GITHUB_CLIENT, GITHUB_LOGIN, GITHUB_REPOSITORY, OTHER_REPOSITORY, type GithubEmulator } from './github-emulator.js';
import type { HttpTarget } from './http-target.js';
import type { Steps } from './steps.js';
import { resultOf, type DemoWorkspace } from './workspace.js';

const SCRIPT = `export async function main(event, ctx) {
  const { action, issue, repository } = event.payload;
  console.log(event.type, action, 'in', repository.full_name);
  return { issue: issue.number, title: issue.title.toUpperCase() };
}
`;

/** What stays to be looked at. */
export type GithubTraces = { trigger: string; event: string; run: string };

/** GitHub from nothing to a replayed run: two triggers share one webhook, a script and an HTTP target get the event. */
export async function githubStory(
  { steps, workspace, address, target, start }:
  { steps: Steps; workspace: DemoWorkspace; address: string; target: HttpTarget; start: (redirectUri: string) => Promise<GithubEmulator> },
): Promise<GithubTraces> {
  const integration = await steps.step('GitHub: enter the OAuth client', () =>
    workspace.integration({ service: 'github', name: 'GitHub (emulated)', ...GITHUB_CLIENT, hosts: { web: address, api: address } }),
  ({ redirectUri }) => `redirect URI ${redirectUri}`);
  const github = await steps.step('GitHub: start its emulator, with that OAuth client', () => start(integration.redirectUri), ({ url }) => url);
  const connection = await steps.step('GitHub: connect an account in the browser', () => connectOctocat(workspace, integration.id),
    ({ accountLabel, scopes }) => `${accountLabel}, scopes ${scopes.join(' ')}`);
  const { items } = await steps.step('GitHub: list repositories to pick from', async () => {
    const page = await workspace.api.call(pick, { workspace: workspace.id, connection: connection.id, triggerType: 'repository', picker: 'repositories' });
    if (!page.items.some((item) => item.value === GITHUB_REPOSITORY)) throw new Error(`The picker does not offer ${GITHUB_REPOSITORY}.`);
    return page;
  }, (page) => page.items.map((item) => item.value).join(', '));

  const config = { repository: items.find((item) => item.value === GITHUB_REPOSITORY)!.value, events: ['issues'] };
  const base = { service: 'github', type: 'repository', connectionId: connection.id, config };
  const script = await steps.step('GitHub: write a script', () => workspace.script('Shout about issues', SCRIPT));
  const http = await steps.step('GitHub: enter an HTTP target', () => workspace.httpTarget('Our own program', target.url));
  target.setSecret(http.secret);
  const trigger = await steps.step('GitHub: create a trigger for the script', () => workspace.trigger({ ...base, name: 'Issues to script', runnableId: script }),
    ({ summary, subscription }) => `${summary}, subscription ${subscription?.status}`);
  const second = await steps.step('GitHub: create another for the HTTP target', () => workspace.trigger({ ...base, name: 'Issues to program', runnableId: http.id }));
  await steps.step('GitHub: see one webhook for both at GitHub', () => oneHook(github, trigger.callbackUrl),
    (hook) => `hook ${hook.id}, events ${hook.events.join(' ')}`);

  const issue = await steps.step('GitHub: open an issue there', () => github.openIssue('Something happened'), ({ number }) => `#${number}`);
  const { event } = await steps.step('GitHub: the event arrives, verified', () => workspace.verifiedEvent(trigger.id),
    ({ event: { type }, delivery }) => `${type}, delivery ${delivery.status}, ${delivery.size} bytes`);
  const run = await steps.step('GitHub: the script ran', () => workspace.runOf(trigger.id, event.id), (done) => `${done.status}, result ${resultOf(done)}`);
  const expected = { issue: issue.number, title: 'SOMETHING HAPPENED' };
  if (resultOf(run) !== JSON.stringify(expected)) throw new Error(`The script returned ${resultOf(run)} instead of ${JSON.stringify(expected)}.`);
  await steps.step('GitHub: the HTTP target was called and verified the signature', async () => {
    const called = await workspace.runOf(second.id, event.id);
    if (!target.verified.some((call) => call.id === called.id)) throw new Error(`The target verified no call with the id ${called.id}; refused: ${target.refused.join('; ') || 'none'}.`);
    return called;
  }, (called) => `webhook-id ${called.id}, answer ${resultOf(called)}`);
  await steps.step('GitHub: replay the run', () => workspace.replay(run.id), (again) => `replay ${again.replay} ${again.status}, result ${resultOf(again)}`);
  await hookGoesWithTrigger(steps, workspace, github, {
    ...base, name: 'Issues elsewhere', config: { ...config, repository: OTHER_REPOSITORY }, runnableId: script,
  });
  return { trigger: trigger.id, event: event.id, run: run.id };
}

/** A trigger that nothing shares a webhook with, from its creation to its end; the others keep theirs. */
async function hookGoesWithTrigger(
  steps: Steps, workspace: DemoWorkspace, github: GithubEmulator, input: Parameters<DemoWorkspace['trigger']>[0],
): Promise<void> {
  const hooks = async () => ({ here: (await github.hooks(OTHER_REPOSITORY)).length, others: (await github.hooks(GITHUB_REPOSITORY)).length });
  const expectHooks = async (here: number) => {
    const found = await hooks();
    if (found.here !== here || found.others !== 1) {
      throw new Error(`GitHub holds ${found.here} webhooks of ${OTHER_REPOSITORY} and ${found.others} of ${GITHUB_REPOSITORY} instead of ${here} and 1.`);
    }
    return found;
  };
  const trigger = await steps.step('GitHub: create a trigger on another repository', () => workspace.trigger(input), ({ summary }) => summary);
  await steps.step('GitHub: see its webhook there', () => expectHooks(1), () => OTHER_REPOSITORY);
  await steps.step('GitHub: delete that trigger', () => workspace.api.call(deleteTrigger, { workspace: workspace.id, trigger: trigger.id }),
    ({ subscription }) => `subscription ${subscription?.status}`);
  await steps.step('GitHub: its webhook is gone there, the other stays', () => expectHooks(0), ({ here, others }) => `${here} of ${OTHER_REPOSITORY}, ${others} of ${GITHUB_REPOSITORY}`);
}

/** Opens Vane's start URL and presses the button of octocat on GitHub's page. */
function connectOctocat(workspace: DemoWorkspace, integration: string) {
  const browser = new Browser();
  return workspace.connect(integration, ['repository'], browser, async (page) => {
    const form = formsOf(page.html).find(({ fields }) => fields['login'] === GITHUB_LOGIN);
    if (!form) throw new Error(`The page at ${new URL(page.url).pathname} has no button of ${GITHUB_LOGIN} (HTTP ${page.status}).`);
    return browser.submit(page, form);
  });
}

function oneHook(github: GithubEmulator, callbackUrl: string) {
  return eventually('The webhook at GitHub', async () => {
    const hooks = await github.hooks(GITHUB_REPOSITORY);
    if (hooks.length > 1) throw new Error(`GitHub holds ${hooks.length} webhooks of the repository instead of one.`);
    return hooks.find((hook) => hook.config.url === callbackUrl && hook.active);
  }, { timeoutMs: 10_000 });
}
