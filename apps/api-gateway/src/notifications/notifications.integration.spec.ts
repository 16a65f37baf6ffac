import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { postNotification, systemCall, type InputOf } from '@vane/contracts';
import { Bus, createLogger } from '@vane/runtime';
import { startTestGateway, type TestGateway } from '../fixtures/test-gateway.js';

type Note = InputOf<typeof postNotification>;

let gateway: TestGateway;
let bus: Bus;

beforeAll(async () => {
  gateway = await startTestGateway();
  const { VANE_NATS_URL: url, VANE_PREFIX: prefix } = gateway.settings;
  bus = Bus.open({ url, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'test', level: 'silent' }) });
  await new Promise<void>((resolve) => bus.whenConnected(() => resolve()));
});
afterAll(async () => {
  await bus?.close();
  await gateway?.stop();
});

const note = (change: Partial<Note> = {}): Note => ({
  workspace: gateway.workspace, kind: 'connection.auth-required', severity: 'critical', dedupeKey: 'con_1:3',
  title: 'Authorise the connection anew', text: 'The service ended it.', link: 'https://vane.example/c/con_1', facts: { connection: 'con_1' },
  ...change,
});
const post = (change?: Partial<Note>) => bus.ask(postNotification, note(change), systemCall('oauth-service', 'test'));

test('a notification is posted once per workspace and dedupe key, whoever posts it at once', async () => {
  const posted = await Promise.all(Array.from({ length: 5 }, () => post()));
  expect(posted.filter((one) => one.posted)).toHaveLength(1);
  expect(await post()).toEqual({ posted: false });
  expect(await post({ dedupeKey: 'con_1:4' })).toEqual({ posted: true });
  expect(await post({ workspace: await gateway.addWorkspace('second') })).toEqual({ posted: true });
  expect(await gateway.database.prisma.notification.count()).toBe(3);
});
