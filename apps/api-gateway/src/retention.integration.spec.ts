import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newId } from '@vane/db';
import { hashToken } from './access/token.js';
import { Sessions } from './access/sessions.js';
import { addPerson } from './fixtures/people.js';
import { startTestGateway, type TestGateway } from './fixtures/test-gateway.js';
import { deleteInBatches, ENDED_DAYS, NOTIFICATION_DAYS, Retention } from './retention.js';

const DAY_MS = 86_400_000;
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway?.stop());

/** A moment of so many days ago, a second more or less. */
const ago = (days: number, secondsMore = 0) => gateway.clock.in(-days * DAY_MS - secondsMore * 1000);
const sweep = () => new Retention(gateway.database, gateway.clock).sweep();

test('a notification goes after 90 days, with what was owed of it to channels', async () => {
  const { prisma } = gateway.database;
  const channelId = newId('channel', gateway.clock.now());
  const changed = { createdAt: ago(100), updatedAt: ago(100) };
  await prisma.notificationChannel.create({ data: { id: channelId, workspaceId: gateway.workspace, kind: 'email', target: 'a@example.com', enabled: true, version: 1, ...changed } });
  const post = async (createdAt: Date) => {
    const id = newId('notification', createdAt);
    const text = { kind: 'a.b', severity: 'info', title: 'Title', text: 'Text', facts: {}, dedupeKey: id };
    await prisma.notification.create({ data: { id, workspaceId: gateway.workspace, ...text, createdAt } });
    await prisma.notificationDelivery.create({ data: { notificationId: id, channelId, workspaceId: gateway.workspace, status: 'sent', attempts: 1 } });
    return id;
  };
  await post(ago(NOTIFICATION_DAYS, 1));
  const kept = await post(ago(NOTIFICATION_DAYS, -60));
  expect(await sweep()).toBe(1);
  expect((await prisma.notification.findMany()).map(({ id }) => id)).toEqual([kept]);
  expect((await prisma.notificationDelivery.findMany()).map(({ notificationId }) => notificationId)).toEqual([kept]);
});

test('an invitation goes 30 days after it was accepted or has expired, one that is open stays', async () => {
  const { prisma } = gateway.database;
  const invite = async (expiresAt: Date, acceptedAt: Date | null = null) => {
    const id = newId('invitation', ago(60));
    const asked = { email: `${id}@example.com`, role: 'editor', invitedBy: 'test', createdAt: ago(60), tokenHash: hashToken(id) };
    await prisma.invitation.create({ data: { id, workspaceId: gateway.workspace, ...asked, expiresAt, acceptedAt } });
    return id;
  };
  await invite(ago(ENDED_DAYS, 1));
  await invite(gateway.clock.in(DAY_MS), ago(ENDED_DAYS, 1));
  const kept = [await invite(ago(ENDED_DAYS, -60)), await invite(ago(29), ago(ENDED_DAYS, -60)), await invite(gateway.clock.in(DAY_MS))];
  expect(await sweep()).toBe(2);
  expect((await prisma.invitation.findMany({ orderBy: { id: 'asc' } })).map(({ id }) => id)).toEqual(kept);
});

test('a token goes 30 days after its end, one without an end never', async () => {
  const { prisma } = gateway.database;
  const before = (await prisma.apiToken.findMany()).map(({ id }) => id);
  await gateway.addToken(gateway.workspace, 'editor', { expiresAt: ago(ENDED_DAYS, 1) });
  await gateway.addToken(null, 'superadmin', { expiresAt: ago(ENDED_DAYS, 1) });
  const { id: kept } = await gateway.addToken(gateway.workspace, 'editor', { expiresAt: ago(ENDED_DAYS, -60) });
  expect(await sweep()).toBe(2);
  expect((await prisma.apiToken.findMany()).map(({ id }) => id).sort()).toEqual([...before, kept].sort());
});

test('a session goes when it has ended, a token to choose a password a week later', async () => {
  const { prisma } = gateway.database;
  const sessions = new Sessions(gateway.database, gateway.clock);
  const { id: userId } = await addPerson(gateway);
  const reset = (tokenHash: string, expiresAt: Date) => prisma.passwordReset.create({ data: { tokenHash, userId, createdAt: ago(20), expiresAt } });
  await reset('old', ago(7, 1));
  await reset('fresh', ago(6));
  expect(await sessions.sweep()).toBe(1);
  expect(await prisma.passwordReset.findMany()).toMatchObject([{ tokenHash: 'fresh' }]);
  expect(await prisma.session.count()).toBe(1);
  gateway.clock.move(12 * 3_600_000);
  expect(await sessions.sweep()).toBe(1);
  expect(await prisma.session.count()).toBe(0);
});

test('more than fit a statement go too, by sweeps at once, and what somebody holds waits for the next time', async () => {
  const { database } = gateway;
  await database.pool.query("INSERT INTO password_reset SELECT 'many ' || n, 'nobody', $1, $1 FROM generate_series(1, 11000) n", [ago(365)]);
  const many = () => deleteInBatches(database, 'password_reset', 'expires_at <= $1', [ago(300)], 'token_hash');
  await database.transaction(async (tx) => {
    await tx.query("SELECT 1 FROM password_reset WHERE token_hash = 'many 1' FOR UPDATE");
    const [one, other] = await Promise.all([many(), many()]);
    expect(one + other).toBeLessThanOrEqual(10_999);
    expect(one + other + (await many())).toBe(10_999);
  });
  expect(await many()).toBe(1);
});
