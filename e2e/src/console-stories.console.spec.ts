import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newSecret } from '@vane/testing';
import { useBrowser, type Tab } from './console-browser.js';
import { setStage, type Stage } from './console-stage.js';
import { system } from './system.js';

/** What scripts of the first page may come to over the wire. */
const FIRST_LOAD_BYTES = 250_000;

const browser = useBrowser();
let tab: Tab;
let stage: Stage;

beforeAll(async () => {
  tab = await browser.open();
  stage = await setStage(tab);
}, 60_000);
beforeEach(() => void (tab.troubles.length = 0));
afterAll(() => tab.page.context().close());

test('the first page comes with less than 250 KB of script', async () => {
  const other = await browser.open();
  const scripts: Promise<number>[] = [];
  other.page.on('requestfinished', (request) => {
    if (request.resourceType() === 'script') scripts.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
  });
  await other.page.context().addCookies(await tab.page.context().cookies());
  await other.visit(stage.base);
  const bytes = (await Promise.all(scripts)).reduce((sum, one) => sum + one, 0);
  expect(bytes).toBeGreaterThan(50_000);
  expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
  await other.page.context().close();
});

test('the overview counts what happened, and leads to it', async () => {
  const { page } = tab;
  await tab.visit(stage.base);
  await page.getByRole('link', { name: /^Refused\s*1$/ }).waitFor();
  await page.getByRole('img', { name: 'Runs per hour in the last 24 hours: 2, of which 1 failed' }).waitFor();
  await page.getByRole('link', { name: /^Failed runs\s*1$/ }).click();
  await page.getByRole('heading', { name: 'Runs', exact: true }).waitFor();
  // The only one: the click refuses to choose.
  await page.locator('.vrow').click();
  await page.getByText('asked to fail').first().waitFor();
  expect(tab.troubles).toEqual([]);
});

test('a run is run again', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/runs/${stage.runs.at(-1)}`);
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.waitForURL((url) => url.pathname.includes('/runs/run_') && !url.pathname.endsWith(stage.runs.at(-1)!));
  await page.getByText(/^Ended: /).waitFor();
  expect(tab.troubles).toEqual([]);
});

test('a refused request says why', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/deliveries`);
  await page.getByLabel('Status').selectOption('refused');
  await page.waitForURL(/status=refused/);
  await page.locator('.vrow', { hasText: 'refused' }).click();
  await page.getByText('The request was refused: nothing was made of it.').waitFor();
  await page.getByText('"unsigned": true').waitFor();
  expect(tab.troubles).toEqual([]);
});

test('a trigger is paused, asked why it does not fire, and resumed', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/triggers/${stage.trigger.id}`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await page.getByRole('button', { name: 'Find out' }).click();
  const layers = page.getByRole('list', { name: 'Why did it not fire?' });
  await layers.getByText('Received here').waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('button', { name: 'Pause' }).waitFor();
  expect(tab.troubles).toEqual([]);
});

test('a trigger is found, renamed, and deleted after the page has said what that does', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/triggers`);
  await page.getByLabel('Search by name').fill('night');
  await page.getByRole('link', { name: 'Night shift' }).click();
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Name').fill('Day shift');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: /Day shift/ }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('What Vane registered for it').waitFor();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(/\/triggers$/);
  await page.getByRole('link', { name: 'hook' }).waitFor();
  expect(await page.getByRole('link', { name: 'Day shift' }).count()).toBe(0);
  expect(tab.troubles).toEqual([]);
});

/** As a person does: everything is selected and deleted before. */
async function write(script: string): Promise<void> {
  await tab.page.getByRole('textbox', { name: 'Script' }).click();
  for (const key of ['ControlOrMeta+a', 'Delete']) await tab.page.keyboard.press(key);
  await tab.page.keyboard.insertText(script);
}

test('a script is written, saved, and changed', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/runnables/new`);
  await page.getByLabel('Name').fill('Greeter');
  await write('export async function main() { return 1; }');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'Greeter' }).waitFor();
  await write('export async function main() { return 2; }');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Version 2').waitFor();
  await page.getByText('return 2').waitFor();
  expect(tab.troubles).toEqual([]);
});

test('an HTTP target shows its signing secret once, and how to verify', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/runnables/new`);
  await page.getByLabel('Name').fill('Target');
  await page.getByLabel('Kind').selectOption('http');
  await page.getByLabel('URL').fill('https://example.com/target');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByText(/^whsec_/).waitFor();
  await page.getByText('standardwebhooks').first().waitFor();
  expect(tab.troubles).toEqual([]);
});

test('a member is invited, joins by the link, and sees the workspace', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/settings/members`);
  await page.getByLabel('E-mail').fill('grace@example.com');
  await page.getByRole('button', { name: 'Create invitation' }).click();
  const link = await page.locator('.note code').textContent();
  const guest = await browser.open();
  await guest.visit(link!);
  await guest.page.getByLabel('Your name').fill('Grace');
  await guest.page.getByLabel('Password').fill(newSecret('the password of a guest'));
  await guest.page.getByRole('button', { name: 'Join' }).click();
  await guest.page.getByRole('heading', { name: 'Overview' }).waitFor();
  await page.getByText('grace@example.com').first().waitFor();
  expect([...tab.troubles, ...guest.troubles]).toEqual([]);
  await guest.page.context().close();
});

test('who signs in comes back to the page that was asked for; a wrong password is told', async () => {
  const other = await browser.open();
  await other.visit(`${stage.base}/runs`);
  await other.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(new URL(other.page.url()).searchParams.get('returnTo')).toBe(new URL(`${stage.base}/runs`).pathname);
  await other.page.getByLabel('E-mail').fill('nobody@example.com');
  await other.page.getByLabel('Password').fill('not the password');
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  await other.page.getByRole('alert').waitFor();
  await other.page.context().close();
});

test('the keyboard reaches the content, and the chosen colours stay', async () => {
  const { page } = tab;
  await tab.visit(`${stage.base}/triggers`);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
  await page.getByLabel('Colours').first().selectOption('dark');
  await page.reload();
  await tab.settled();
  expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
  await page.getByLabel('Colours').first().selectOption('system');
});

test('every service has its form and setup steps without a line about it in the console', async () => {
  const { page } = tab;
  const { items } = (await (await fetch(`${system().api}/api/v1/services`, { headers: { authorization: `Bearer ${system().adminToken}` } })).json()) as {
    items: { id: string; label: string; setupSteps: string[] }[];
  };
  expect(items.map(({ id }) => id)).toContain('oauth-probe');
  for (const { id, label, setupSteps } of items) {
    await tab.visit(`${stage.base}/services/${id}`);
    await page.getByRole('heading', { name: label, exact: true }).waitFor();
    expect(await page.locator('.steps > li').count()).toBe(setupSteps.length);
  }
  expect(tab.troubles).toEqual([]);
});
