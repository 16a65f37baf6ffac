import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { keepSecret, newSecret } from '@vane/testing';
import { useBrowser, type Tab } from './console-browser.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';
import { postSigned } from './posting.js';

const browser = useBrowser();
let instance: OwnInstance;
let tab: Tab;

beforeAll(async () => {
  instance = await startOwnInstance();
  tab = await browser.open();
}, 120_000);

afterAll(() => instance.stop(), 60_000);

test('an empty system leads from the first user to the run of a first event', async () => {
  const { page } = tab;
  await tab.visit(`${instance.api}/`);
  expect(await tab.inspect('first-user')).toEqual([]);
  await page.getByLabel('Admin token').fill(instance.adminToken);
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('E-mail').fill('ada@example.com');
  await page.getByLabel('Password').fill(newSecret('the password of the first user'));
  await page.getByRole('button', { name: 'Create user and start' }).click();

  await page.getByRole('heading', { name: 'From an event to your code' }).waitFor();
  const guide = page.url();
  const cookies = await page.context().cookies();
  for (const { name, value } of cookies) keepSecret(`cookie ${name}`, value);
  expect(cookies.every(({ httpOnly }) => httpOnly)).toBe(true);
  expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).toBe('[{},{}]');
  await page.getByRole('button', { name: 'Webhook' }).click();
  await page.getByRole('link', { name: 'Create trigger' }).click();

  await page.getByLabel('How the sender proves itself').selectOption('standard-webhooks');
  await page.locator('.cm-content').waitFor();
  expect(await tab.inspect('trigger-new')).toEqual([]);
  await page.getByRole('button', { name: 'New trigger' }).click();
  await page.getByRole('heading', { name: 'The trigger is created' }).waitFor();
  const [url, secret] = await page.locator('.copy-line code').allTextContents();
  keepSecret('the secret of a trigger', secret!);
  expect(await tab.inspect('trigger-created')).toEqual([]);

  await page.goto(`${guide}?service=generic-webhook`);
  await page.getByText('Waiting for the first event').waitFor();
  expect(await postSigned(url!, secret!, 'first', { hello: 'Vane' })).toBe(200);
  // Nobody reloads: the page sees it by itself.
  await page.getByRole('link', { name: 'Open the run' }).click();
  await page.getByText('Ended: succeeded').waitFor();
  await page.getByRole('region', { name: 'Event' }).getByText('"hello": "Vane"').waitFor();
  expect(tab.troubles).toEqual([]);
}, 90_000);
