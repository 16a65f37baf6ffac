import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { useBrowser, type Tab } from './console-browser.js';
import { setStage, type Stage } from './console-stage.js';

const browser = useBrowser();
let tab: Tab;
let stage: Stage;

beforeAll(async () => {
  tab = await browser.open();
  stage = await setStage(tab);
}, 60_000);

afterAll(() => tab.page.context().close());

/** Id of the first object of a list. */
async function firstOf(path: string): Promise<string> {
  await tab.visit(stage.base + path);
  const link = await tab.page.locator('.vrow, .table td a').first().getAttribute('href');
  return link!.split('/').at(-1)!;
}

describe('every page', () => {
  const pages: [name: string, path: string | (() => Promise<string>)][] = [
    ['overview', ''], ['notifications', '/notifications'], ['start', '/start'],
    ['services', '/services'], ['service', '/services/github'], ['integrations', '/integrations'], ['integration-new', '/integrations/new/google'],
    ['integration', async () => `/integrations/${await firstOf('/integrations')}`],
    ['connections', '/connections'], ['triggers', '/triggers'], ['trigger-choice', '/triggers/new'], ['trigger', async () => `/triggers/${stage.trigger.id}`], ['trigger-edit', async () => `/triggers/${stage.trigger.id}/edit`],
    ['runs', '/runs'], ['run', async () => `/runs/${stage.runs[0]}`], ['events', '/events'], ['event', async () => `/events/${await firstOf('/events')}`],
    ['deliveries', '/deliveries'], ['delivery', async () => `/deliveries/${await firstOf('/deliveries')}`],
    ['runnables', '/runnables'], ['runnable', async () => `/runnables/${stage.runnable}`], ['runnable-new', '/runnables/new'],
    ['settings-account', '/settings/account'], ['settings-members', '/settings/members'], ['settings-tokens', '/settings/tokens'], ['settings-secrets', '/settings/secrets'],
    ['settings-channels', '/settings/channels'], ['settings-retention', '/settings/retention'], ['settings-audit', '/settings/audit'],
  ];
  test.each(pages)('%s is accessible in both schemes and fits a phone', async (name, path) => {
    const { troubles } = tab;
    troubles.length = 0;
    await tab.visit(stage.base + (typeof path === 'string' ? path : await path()));
    expect(await tab.inspect(name)).toEqual([]);
    expect(troubles).toEqual([]);
  });
});
