import { deleteTrigger } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { Browser } from './browser.js';
import { NEXTCLOUD_CLIENT, NODE_CREATED, type NextcloudFake } from './nextcloud-fake.js';
import type { Steps } from './steps.js';
import { resultOf, type DemoWorkspace } from './workspace.js';

const SCRIPT = `export async function main(event, ctx) {
  const { node } = event.payload.event;
  console.log('new file', node.path, 'by', event.payload.user.uid);
  return { path: node.path };
}
`;
const FILE = '/admin/files/Inbox/report.pdf';

/** Nextcloud from nothing to a replayed run, and back: with the trigger its webhook goes. */
export async function nextcloudStory(
  { steps, workspace, address, start }:
  { steps: Steps; workspace: DemoWorkspace; address: string; start: (redirectUri: string) => Promise<NextcloudFake> },
): Promise<void> {
  const integration = await steps.step('Nextcloud: enter the OAuth client', () =>
    workspace.integration({ service: 'nextcloud', name: 'Nextcloud (stand-in)', ...NEXTCLOUD_CLIENT, hosts: { base: address } }),
  ({ redirectUri }) => `redirect URI ${redirectUri}`);
  const nextcloud = await steps.step('Nextcloud: start its stand-in, with that OAuth client', () => start(integration.redirectUri), ({ url }) => url);
  const connection = await steps.step('Nextcloud: connect an account in the browser', () => workspace.connect(integration.id, ['event'], new Browser()),
    ({ accountLabel }) => accountLabel);
  const script = await steps.step('Nextcloud: write a script', () => workspace.script('Note new files', SCRIPT));
  const trigger = await steps.step('Nextcloud: create a trigger', () => workspace.trigger({
    name: 'New files', service: 'nextcloud', type: 'event', connectionId: connection.id, config: { event: NODE_CREATED }, runnableId: script,
  }), ({ summary, subscription }) => `${summary}, subscription ${subscription?.status}`);
  const ours = async () => (await nextcloud.hooks()).filter((hook) => hook.uri === trigger.callbackUrl);
  await steps.step('Nextcloud: see the webhook at Nextcloud', () => eventually('The webhook at Nextcloud', async () => (await ours())[0]),
    (hook) => `hook ${hook.id}, ${hook.event}`);

  await steps.step('Nextcloud: save a file there', () => nextcloud.writeFile(FILE), () => FILE);
  const { event } = await steps.step('Nextcloud: the event arrives, verified', () => workspace.verifiedEvent(trigger.id),
    ({ event: { type }, delivery }) => `${type}, delivery ${delivery.status}, ${delivery.size} bytes`);
  const run = await steps.step('Nextcloud: the script ran', () => workspace.runOf(trigger.id, event.id), (done) => `${done.status}, result ${resultOf(done)}`);
  if (resultOf(run) !== JSON.stringify({ path: FILE })) throw new Error(`The script returned ${resultOf(run)} instead of the path ${FILE}.`);
  await steps.step('Nextcloud: replay the run', () => workspace.replay(run.id), (again) => `replay ${again.replay} ${again.status}, result ${resultOf(again)}`);

  await steps.step('Nextcloud: delete the trigger', () => workspace.api.call(deleteTrigger, { workspace: workspace.id, trigger: trigger.id }));
  await steps.step('Nextcloud: its webhook is gone there, others stay', () => eventually('The removal of the webhook at Nextcloud', async () => {
    const others = (await nextcloud.hooks()).length;
    return (await ours()).length === 0 && { others };
  }), ({ others }) => `${others} of others`);
}
