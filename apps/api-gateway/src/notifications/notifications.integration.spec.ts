import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { NotificationView } from '@vane/contracts';
import { openNotifier, type Notifier } from '../fixtures/notify.js';
import { startTestGateway, type TestGateway } from '../fixtures/test-gateway.js';

let gateway: TestGateway;
let notifier: Notifier;
let operator: string;
let path: string;

beforeAll(async () => {
  gateway = await startTestGateway();
  notifier = await openNotifier(gateway);
});
afterAll(async () => {
  await notifier?.close();
  await gateway?.stop();
});
beforeEach(async () => {
  gateway.workspace = await gateway.addWorkspace('fresh');
  operator = (await gateway.addToken(gateway.workspace, 'operator')).token;
  path = `/api/v1/workspaces/${gateway.workspace}/notifications`;
});

const list = async (query = '') => {
  const { status, json } = await gateway.send('GET', `${path}${query}`, { token: operator });
  expect(status).toBe(200);
  return json as { items: NotificationView[]; next: string | null };
};
const titles = async (query = '') => (await list(query)).items.map(({ title }) => title);

test('a notification is posted once per workspace and dedupe key, whoever posts it at once', async () => {
  const posted = await Promise.all(Array.from({ length: 5 }, () => notifier.post({ dedupeKey: 'same' })));
  expect(posted.filter((one) => one.posted)).toHaveLength(1);
  expect(await notifier.post({ dedupeKey: 'same', title: 'Said otherwise' })).toEqual({ posted: false });
  expect(await notifier.post({ dedupeKey: 'same', workspace: await gateway.addWorkspace('other') })).toEqual({ posted: true });
  expect(await notifier.post({ dedupeKey: 'next' })).toEqual({ posted: true });
  expect((await list()).items).toHaveLength(2);
});

test('it is read as it was posted, and nothing is owed where there is no channel', async () => {
  await notifier.post({ title: 'One', facts: { connection: 'con_1', count: 3 } });
  const [one] = (await list()).items;
  expect(one).toEqual({
    id: expect.stringMatching(/^ntf_/), kind: 'connection.auth-required', severity: 'critical', title: 'One', text: 'The service ended it.',
    link: 'https://vane.example/c/con_1', facts: { connection: 'con_1', count: 3 }, createdAt: expect.any(String), readAt: null,
  });
  expect((await gateway.send('GET', `${path}/${one!.id}`, { token: operator })).json).toEqual({ ...one, deliveries: [] });
});

test('the list is paged newest first and filtered by kind, time and whether it was read', async () => {
  await notifier.post({ title: 'One', kind: 'a.first' });
  gateway.clock.move(60_000);
  const from = gateway.clock.now().toISOString();
  await notifier.post({ title: 'Two', kind: 'a.second' });
  await notifier.post({ title: 'Three', kind: 'a.second' });
  expect(await titles()).toEqual(['Three', 'Two', 'One']);
  const first = await list('?limit=2');
  expect(first.items.map(({ title }) => title)).toEqual(['Three', 'Two']);
  expect(await titles(`?limit=2&cursor=${first.next}`)).toEqual(['One']);
  expect(await titles('?kind=a.first')).toEqual(['One']);
  expect(await titles(`?from=${from}`)).toEqual(['Three', 'Two']);

  const marked = await gateway.send('POST', `${path}/${first.items[0]!.id}/read`, { token: operator });
  expect(marked).toMatchObject({ status: 200, json: { title: 'Three', readAt: expect.any(String) } });
  gateway.clock.move(1_000);
  const again = await gateway.send('POST', `${path}/${first.items[0]!.id}/read`, { token: operator });
  expect(again.json['readAt']).toBe(marked.json['readAt']);
  expect(await titles('?unread=true')).toEqual(['Two', 'One']);
  expect(await titles('?unread=false')).toEqual(['Three']);
  expect((await gateway.send('POST', `${path}/read`, { token: operator })).json).toEqual({ marked: 2 });
  expect(await titles('?unread=true')).toEqual([]);
});

test('a notification of another workspace is none', async () => {
  await notifier.post();
  const [own] = (await list()).items;
  const other = await gateway.addWorkspace('other');
  const stranger = (await gateway.addToken(other, 'admin')).token;
  for (const [method, tail] of [['GET', ''], ['POST', '/read']] as const) {
    const reply = await gateway.send(method, `/api/v1/workspaces/${other}/notifications/${own!.id}${tail}`, { token: stranger });
    expect(reply).toMatchObject({ status: 404, json: { code: 'not_found' } });
  }
  expect((await gateway.send('POST', `/api/v1/workspaces/${other}/notifications/read`, { token: stranger })).json).toEqual({ marked: 0 });
  expect(await titles('?unread=true')).toHaveLength(1);
});
