import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createChannel, createIntegration, createRunnable, createTrigger, pauseTrigger, type OutputOf } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { useBrowser, type Tab } from './console-browser.js';
import { Person } from './person.js';
import { postSigned } from './posting.js';
import { system, Workspace } from './system.js';

const browser = useBrowser();
let workspace: Workspace;
let base: string;
let tab: Tab;
let trigger: OutputOf<typeof createTrigger>;
let runnable: string;
let runs: string[];

/** A workspace as it is after some use: what works, what failed, what was refused. */
async function furnish(): Promise<void> {
  const script = "export async function main(event) { console.log('seen', event.type); if (event.payload.data.fail) throw new Error('asked to fail'); return { order: event.payload.data.order }; }";
  runnable = await workspace.script(script);
  trigger = await workspace.genericTrigger(runnable, { scheme: 'standard-webhooks' } as never);
  for (const [id, data] of [['1', { order: 1 }], ['2', { order: 2, fail: true }]] as const) await postSigned(trigger.callbackUrl, trigger.secret!, id, { type: 'order.paid', data });
  await fetch(trigger.callbackUrl, { method: 'POST', body: '{"unsigned": true}' });
  runs = (await workspace.endedRuns(trigger.id, 2)).map(({ id }) => id);
  await workspace.deliveries(trigger.id, 3);
  const paused = await workspace.genericTrigger(runnable, { scheme: 'none' } as never);
  await workspace.api.call(pauseTrigger, { workspace: workspace.id, trigger: paused.id });
  await workspace.api.call(createRunnable, { workspace: workspace.id, name: 'billing', spec: { kind: 'http', url: 'https://example.com/hooks' } });
  await workspace.api.call(createIntegration, { workspace: workspace.id, service: 'oauth-probe', name: 'Our client', clientId: 'console', clientSecret: newSecret('the client secret of the console'), hosts: { base: 'http://127.0.0.1:9' } });
  await workspace.api.call(createChannel, { workspace: workspace.id, kind: 'webhook', target: 'https://example.com/alerts' });
}

beforeAll(async () => {
  workspace = await Workspace.create('Console');
  const person = await Person.join({ workspace: workspace.id, role: 'admin', by: workspace.api });
  base = `${system().api}/w/${workspace.id}`;
  tab = await browser.open();
  const { hostname } = new URL(system().api);
  const [name, value] = person.cookie.split('=');
  await tab.page.context().addCookies([{ name: name!, value: value!, domain: hostname, path: '/', httpOnly: true, sameSite: 'Lax' }]);
  await furnish();
}, 60_000);

afterAll(() => tab.page.context().close());

const idOf = async (path: string): Promise<string> => {
  await tab.visit(base + path);
  const link = await tab.page.locator('.vrow, .table td a').first().getAttribute('href');
  return link!.split('/').at(-1)!;
};

describe('every page', () => {
  const pages: [name: string, path: string | (() => Promise<string>)][] = [
    ['overview', ''], ['notifications', '/notifications'], ['start', '/start'],
    ['services', '/services'], ['service', '/services/github'], ['integrations', '/integrations'], ['integration-new', '/integrations/new/google'],
    ['integration', async () => `/integrations/${await idOf('/integrations')}`],
    ['connections', '/connections'], ['triggers', '/triggers'], ['trigger-choice', '/triggers/new'], ['trigger', async () => `/triggers/${trigger.id}`], ['trigger-edit', async () => `/triggers/${trigger.id}/edit`],
    ['runs', '/runs'], ['run', async () => `/runs/${runs[0]}`], ['events', '/events'], ['event', async () => `/events/${await idOf('/events')}`],
    ['deliveries', '/deliveries'], ['delivery', async () => `/deliveries/${await idOf('/deliveries')}`],
    ['runnables', '/runnables'], ['runnable', async () => `/runnables/${runnable}`], ['runnable-new', '/runnables/new'],
    ['settings-account', '/settings/account'], ['settings-members', '/settings/members'], ['settings-tokens', '/settings/tokens'], ['settings-secrets', '/settings/secrets'],
    ['settings-channels', '/settings/channels'], ['settings-retention', '/settings/retention'], ['settings-audit', '/settings/audit'],
  ];
  test.each(pages)('%s is accessible in both schemes and fits a phone', async (name, path) => {
    const { troubles } = tab;
    troubles.length = 0;
    await tab.visit(base + (typeof path === 'string' ? path : await path()));
    expect(await tab.inspect(name)).toEqual([]);
    expect(troubles).toEqual([]);
  });
});
