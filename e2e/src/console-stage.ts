import { createChannel, createIntegration, createRunnable, createTrigger, pauseTrigger, type OutputOf } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import type { Tab } from './console-browser.js';
import { Person } from './person.js';
import { postSigned } from './posting.js';
import { system, Workspace } from './system.js';

export type Stage = { workspace: Workspace; base: string; trigger: OutputOf<typeof createTrigger>; runnable: string; runs: string[] };

const SCRIPT = `export async function main(event) {
  console.log('seen', event.type);
  if (event.payload.data.fail) throw new Error('asked to fail');
  return { order: event.payload.data.order };
}
`;

/** A workspace as it is after some use, with its admin in the tab: what works, what failed, what was refused. */
export async function setStage(tab: Tab): Promise<Stage> {
  const workspace = await Workspace.create('Console');
  const person = await Person.join({ workspace: workspace.id, role: 'admin', by: workspace.api });
  await tab.as(person, system().api);
  const runnable = await workspace.script(SCRIPT);
  const trigger = await workspace.genericTrigger(runnable, { scheme: 'standard-webhooks' } as never);
  for (const [id, data] of [['1', { order: 1 }], ['2', { order: 2, fail: true }]] as const) await postSigned(trigger.callbackUrl, trigger.secret!, id, { type: 'order.paid', data });
  await fetch(trigger.callbackUrl, { method: 'POST', body: '{"unsigned": true}' });
  const runs = await workspace.endedRuns(trigger.id, 2);
  await workspace.deliveries(trigger.id, 3);
  await addTheRest(workspace, runnable);
  return { workspace, base: `${system().api}/w/${workspace.id}`, trigger, runnable, runs: runs.map(({ id }) => id) };
}

async function addTheRest({ id: workspace, api }: Workspace, runnableId: string): Promise<void> {
  const paused = await api.call(createTrigger, { workspace, name: 'Night shift', service: 'generic-webhook', type: 'webhook', config: { scheme: 'none' }, runnableId });
  await api.call(pauseTrigger, { workspace, trigger: paused.id });
  await api.call(createRunnable, { workspace, name: 'billing', spec: { kind: 'http', url: 'https://example.com/hooks' } });
  const clientSecret = newSecret('the client secret of the console');
  await api.call(createIntegration, { workspace, service: 'oauth-probe', name: 'Our client', clientId: 'console', clientSecret, hosts: { base: 'http://127.0.0.1:9' } });
  await api.call(createChannel, { workspace, kind: 'webhook', target: 'https://example.com/alerts' });
}
