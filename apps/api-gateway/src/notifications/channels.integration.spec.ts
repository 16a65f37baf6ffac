import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually, startHttpReceiver, type HttpReceiver } from '@vane/testing';
import { Webhook } from 'standardwebhooks';
import { startMailServer, type MailServer } from '../fixtures/mail-server.js';
import { openNotifier, type Notifier } from '../fixtures/notify.js';
import { startTestGateway, type Reply, type TestGateway } from '../fixtures/test-gateway.js';
import { DeliveryRows, LEASE_MS } from './delivery-rows.js';
import { NotificationStore } from './notification-store.js';
import { GIVE_UP_MS } from './retry.js';

type Delivery = { channelId: string; status: string; attempts: number; nextAttemptAt: string | null; lastError: string | null; sentAt: string | null };

let gateway: TestGateway;
let notifier: Notifier;
let receiver: HttpReceiver;
let mail: MailServer;
let admin: string;
let base: string;

beforeAll(async () => {
  mail = await startMailServer();
  gateway = await startTestGateway({ VANE_API_GATEWAY_SMTP_URL: mail.url, VANE_API_GATEWAY_SMTP_FROM: 'vane@example.com' });
  notifier = await openNotifier(gateway);
});
afterAll(async () => {
  await notifier?.close();
  await gateway?.stop();
  await mail?.close();
});
beforeEach(async () => {
  receiver = await startHttpReceiver();
  // Receivers check signatures by the real time.
  gateway.clock.move(Date.now() - gateway.clock.now().getTime());
  await gateway.database.prisma.notificationDelivery.deleteMany();
  gateway.workspace = await gateway.addWorkspace('fresh');
  admin = (await gateway.addToken(gateway.workspace, 'admin')).token;
  base = `/api/v1/workspaces/${gateway.workspace}`;
  mail.refuseWith = undefined;
  mail.mails.length = 0;
});
afterEach(() => receiver.close());

const send = (method: string, tail: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
  gateway.send(method, `${base}/notification-channels${tail}`, { token: admin, body, headers });

async function addChannel(kind = 'webhook', target = receiver.url): Promise<{ id: string; secret: string }> {
  const { status, json } = await send('POST', '', { kind, target });
  expect(status).toBe(201);
  return json as { id: string; secret: string };
}

/** What became of the newest notification, channel by channel. */
async function deliveries(): Promise<Delivery[]> {
  const { json } = await gateway.send('GET', `${base}/notifications?limit=1`, { token: admin });
  const [newest] = json['items'] as { id: string }[];
  return (await gateway.send('GET', `${base}/notifications/${newest!.id}`, { token: admin })).json['deliveries'] as Delivery[];
}
const settled = (status: string) =>
  eventually(`the delivery is ${status}`, async () => {
    const [one] = await deliveries();
    return one?.status === status && one;
  });
const tried = (attempts: number) =>
  eventually(`${attempts} tries`, async () => {
    const [one] = await deliveries();
    return one?.attempts === attempts && one.lastError !== null && one;
  });
/** Past every backoff, and past the lease of a sender that died. */
const letTimePass = () => gateway.clock.move(2 * LEASE_MS);

describe('a webhook channel', () => {
  test('gets a notification at once, signed, under the id of the notification', async () => {
    const { id, secret } = await addChannel();
    expect(secret).toMatch(/^whsec_/);
    await notifier.post({ title: 'Authorise anew', facts: { connection: 'con_1' } });
    expect(await settled('sent')).toEqual({
      channelId: id, kind: 'webhook', status: 'sent', attempts: 1, nextAttemptAt: null, lastError: null, sentAt: expect.any(String),
    });
    const [call] = receiver.calls;
    const body = new Webhook(secret).verify(call!.body, call!.headers as Record<string, string>) as { id: string };
    expect(body).toEqual({
      id: call!.headers['webhook-id'], kind: 'connection.auth-required', severity: 'critical', workspace: gateway.workspace, title: 'Authorise anew',
      text: 'The service ended it.', link: 'https://vane.example/c/con_1', facts: { connection: 'con_1' }, createdAt: expect.any(String),
    });
    expect(body.id).toMatch(/^ntf_/);
    expect(await notifier.deliver()).toEqual({ sent: 0, failed: 0, more: false });
    expect(receiver.calls).toHaveLength(1);
  });

  test('that fails is tried again under the same id, not before its time, until it works', async () => {
    await addChannel();
    receiver.answer = () => ({ status: 503 });
    await notifier.post();
    expect((await tried(1)).lastError).toBe('The receiver answered 503.');
    expect(await notifier.deliver()).toMatchObject({ failed: 0 });
    letTimePass();
    expect(await notifier.deliver()).toMatchObject({ sent: 0, failed: 1 });
    receiver.answer = () => ({ status: 204 });
    letTimePass();
    expect(await notifier.deliver()).toMatchObject({ sent: 1 });
    expect(await settled('sent')).toMatchObject({ attempts: 3, lastError: null });
    expect(new Set(receiver.calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(receiver.calls).toHaveLength(3);
  });

  test('that fails for a day is given up, with the last reason', async () => {
    await addChannel();
    receiver.answer = () => ({ status: 500 });
    await notifier.post();
    await tried(1);
    gateway.clock.move(GIVE_UP_MS);
    await notifier.deliver();
    expect(await settled('failed')).toMatchObject({ attempts: 2, nextAttemptAt: null, lastError: 'The receiver answered 500.' });
  });

  test('is sent again, under the same id, when the sender died between sending and noting it', async () => {
    await addChannel();
    await notifier.post();
    await settled('sent');
    // What a kill at that moment leaves behind: sent, still pending, and the lease of whoever sent it.
    await gateway.database.pool.query(
      `UPDATE notification_delivery SET status = 'pending', sent_at = NULL, next_attempt_at = $1, lease_until = $2 WHERE workspace_id = $3`,
      [gateway.clock.now(), gateway.clock.in(LEASE_MS), gateway.workspace],
    );
    expect(await notifier.deliver()).toMatchObject({ sent: 0 });
    letTimePass();
    expect(await notifier.deliver()).toMatchObject({ sent: 1 });
    expect(await settled('sent')).toMatchObject({ attempts: 2 });
    const [first, second] = receiver.calls;
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
  });

  test('of a sender that was thought dead does not write over what its successor found', async () => {
    await addChannel();
    const store = new NotificationStore(gateway.database, gateway.clock);
    const rows = new DeliveryRows(gateway.database, gateway.clock, store);
    const id = await store.post({
      workspace: gateway.workspace, kind: 'a.kind', severity: 'info', dedupeKey: 'x', title: 'T', text: 'T', link: null, facts: {},
    });
    const [slow] = await rows.claim(1, id);
    expect(await rows.claim(1, id)).toEqual([]);
    letTimePass();
    const [next] = await rows.claim(1, id);
    expect(await rows.settle(slow!, { status: 'failed', error: 'late' })).toBe(false);
    expect(await rows.settle(next!, { status: 'sent' })).toBe(true);
    expect(await deliveries()).toMatchObject([{ status: 'sent', attempts: 2, lastError: null }]);
  });

  test('whose receiver answers 410 is switched off, and the others are told', async () => {
    const gone = await addChannel();
    const other = await startHttpReceiver();
    await addChannel('webhook', other.url);
    receiver.answer = () => ({ status: 410 });
    await notifier.post({ title: 'The cause' });
    await eventually('the other channel was told of both', async () => other.calls.length === 2);
    expect(other.calls.map(({ body }) => (JSON.parse(body) as { kind: string }).kind).sort()).toEqual(['connection.auth-required', 'notification-channel.disabled']);
    await other.close();
    expect((await send('GET', `/${gone.id}`)).json).toMatchObject({ enabled: false, version: 2 });
    expect(receiver.calls).toHaveLength(1);
    await notifier.post();
    await notifier.deliver();
    expect(receiver.calls).toHaveLength(1);
  });

  test('that is switched off gets nothing, not even what was due', async () => {
    const { id } = await addChannel();
    receiver.answer = () => ({ status: 503 });
    await notifier.post();
    await tried(1);
    expect((await send('PATCH', `/${id}`, { enabled: false }, { 'if-match': '"1"' })).status).toBe(200);
    letTimePass();
    await notifier.deliver();
    expect(await settled('failed')).toMatchObject({ lastError: 'The channel is switched off.' });
    expect(receiver.calls).toHaveLength(1);
  });

  test('that is deleted is owed nothing', async () => {
    const { id } = await addChannel();
    receiver.answer = () => ({ status: 503 });
    await notifier.post();
    await tried(1);
    expect((await send('DELETE', `/${id}`)).json).toEqual({ ok: true });
    expect(await deliveries()).toEqual([]);
    expect(await send('GET', `/${id}`)).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  test('gets a new secret on request, shown once, and the old one is of no use any more', async () => {
    const { id, secret } = await addChannel();
    const { json } = await send('POST', `/${id}/secret`);
    expect(json).toMatchObject({ version: 2, secret: expect.stringMatching(/^whsec_/) });
    await notifier.post();
    await settled('sent');
    const [call] = receiver.calls;
    const verify = (key: string) => new Webhook(key).verify(call!.body, call!.headers as Record<string, string>);
    expect(verify(json['secret'] as string)).toMatchObject({ workspace: gateway.workspace });
    expect(() => verify(secret)).toThrow();
  });

  test('never shows its secret again, and keeps it encrypted', async () => {
    const { id, secret } = await addChannel();
    for (const tail of ['', `/${id}`]) expect((await send('GET', tail)).text).not.toContain(secret);
    const row = await gateway.database.prisma.notificationChannel.findUniqueOrThrow({ where: { id } });
    expect(row.secretEnc).toMatch(/^v1\./);
    expect(JSON.stringify(row)).not.toContain(secret.slice(6));
  });

  test('is tested on request, which says what happened and stores nothing', async () => {
    const { id, secret } = await addChannel();
    expect((await send('POST', `/${id}/test`)).json).toEqual({ sent: true, error: null });
    expect(new Webhook(secret).verify(receiver.calls[0]!.body, receiver.calls[0]!.headers as Record<string, string>)).toMatchObject({ kind: 'notification-channel.test' });
    receiver.answer = () => ({ status: 401 });
    expect((await send('POST', `/${id}/test`)).json).toEqual({ sent: false, error: 'The receiver answered 401.' });
    await receiver.close();
    expect((await send('POST', `/${id}/test`)).json).toMatchObject({ sent: false, error: expect.stringContaining('127.0.0.1') });
    expect((await gateway.send('GET', `${base}/notifications`, { token: admin })).json['items']).toEqual([]);
  });
});

describe('a target', () => {
  test.each(['http://169.254.169.254/latest', 'http://10.0.0.1/', 'http://[::1]:1/', 'http://192.168.1.1/'])('%s is not reachable from here, and refused', async (target) => {
    expect(await send('POST', '', { kind: 'webhook', target })).toMatchObject({ status: 422, json: { code: 'url_not_allowed' } });
    const { id } = await addChannel();
    expect(await send('PATCH', `/${id}`, { target }, { 'if-match': '"1"' })).toMatchObject({ status: 422, json: { code: 'url_not_allowed' } });
  });

  test.each([['webhook', 'not a url'], ['webhook', 'ftp://example.com/'], ['email', 'nobody'], ['email', 'a@example.com\r\nBcc: b@example.com'], ['email', 'a@example.com, b@example.com']])(
    'of kind %s cannot be %j', async (kind, target) => {
      expect(await send('POST', '', { kind, target })).toMatchObject({ status: 422, json: { code: 'invalid_config' } });
    },
  );

  test('that becomes private later is still not called', async () => {
    const { id } = await addChannel();
    await gateway.database.prisma.notificationChannel.update({ where: { id }, data: { target: 'http://10.0.0.1/' } });
    expect((await send('POST', `/${id}/test`)).json).toMatchObject({ sent: false, error: expect.stringContaining('blocked') });
  });

  test('that redirects is not followed', async () => {
    const { id } = await addChannel();
    receiver.answer = () => ({ status: 307 });
    expect((await send('POST', `/${id}/test`)).json).toMatchObject({ sent: false });
    expect(receiver.calls).toHaveLength(1);
  });
});

describe('an e-mail channel', () => {
  test('gets title, text, facts and link as plain text', async () => {
    await addChannel('email', 'ops@example.com');
    await notifier.post({ title: 'Authorise anew', facts: { connection: 'con_1', triggers: 3 } });
    await settled('sent');
    const [{ from, to, data }] = mail.mails as [MailServer['mails'][number]];
    expect([from, to]).toEqual(['vane@example.com', ['ops@example.com']]);
    expect(data).toMatch(/^Subject: \[critical\] Authorise anew$/m);
    expect(data).toMatch(/^Content-Type: text\/plain/m);
    expect(data).toMatch(/^Auto-Submitted: auto-generated$/m);
    for (const part of ['The service ended it.', 'connection: con_1', 'triggers: 3', 'https://vane.example/c/con_1']) expect(data).toContain(part);
  });

  test('takes no header out of a title', async () => {
    await addChannel('email', 'ops@example.com');
    await notifier.post({ title: 'Hello\r\nBcc: victim@example.com\nX-Evil: 1', severity: 'info' });
    await settled('sent');
    const [{ to, data }] = mail.mails as [MailServer['mails'][number]];
    expect(to).toEqual(['ops@example.com']);
    const headers = data.slice(0, data.indexOf('\r\n\r\n'));
    expect(headers).toMatch(/^Subject: Hello Bcc: victim@example\.com X-Evil: 1$/m);
    expect(headers).not.toMatch(/^(Bcc|X-Evil):/m);
  });

  test('whose address is refused for good is not tried again; one refused for now is', async () => {
    await addChannel('email', 'ops@example.com');
    mail.refuseWith = 450;
    await notifier.post();
    expect((await tried(1)).lastError).toContain('450');
    mail.refuseWith = 550;
    letTimePass();
    await notifier.deliver();
    expect(await settled('failed')).toMatchObject({ attempts: 2, lastError: expect.stringContaining('550') });
  });

  test('has no signing secret', async () => {
    const { id, secret } = await addChannel('email', 'ops@example.com');
    expect(secret).toBeNull();
    expect(await send('POST', `/${id}/secret`)).toMatchObject({ status: 409, json: { code: 'conflict' } });
  });
});

test('without a mail server a channel of kind email is refused with what to do', async () => {
  const bare = await startTestGateway();
  const { token } = await bare.addToken(bare.workspace, 'admin');
  const reply = await bare.send('POST', `/api/v1/workspaces/${bare.workspace}/notification-channels`, { token, body: { kind: 'email', target: 'a@example.com' } });
  await bare.stop();
  expect(reply).toMatchObject({ status: 422, json: { code: 'invalid_config', detail: expect.stringContaining('VANE_API_GATEWAY_SMTP_URL') } });
});

test('of many sweeps at once each delivery is sent by one', async () => {
  await addChannel();
  receiver.answer = () => ({ status: 503 });
  for (let index = 0; index < 10; index += 1) await notifier.post();
  await eventually('all were tried', async () => receiver.calls.length === 10);
  await eventually('all are settled', async () => (await gateway.database.prisma.notificationDelivery.count({ where: { workspaceId: gateway.workspace, leaseUntil: null } })) === 10);
  receiver.answer = () => ({ status: 200 });
  receiver.calls.length = 0;
  letTimePass();
  const swept = await Promise.all(Array.from({ length: 4 }, () => notifier.deliver(4)));
  expect(swept.reduce((sum, { sent }) => sum + sent, 0)).toBe(10);
  expect(receiver.calls).toHaveLength(10);
});
