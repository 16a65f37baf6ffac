import { afterEach, expect, test } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { eventually } from '@vane/testing';
import { startMailServer, type MailServer } from '../fixtures/mail-server.js';
import { EmailSender, transportOptions } from './email-sender.js';

const message = {
  id: 'ntf_1', workspaceId: 'wsp_1', kind: 'a.kind', severity: 'warning', title: 'Ünïcode', text: 'Text.', link: null, facts: {}, createdAt: new Date('2026-05-01T12:00:00Z'),
} as const;
const destination = { id: 'chn_1', workspaceId: 'wsp_1', target: 'ops@example.com', secretEnc: null };

let server: MailServer | undefined;
afterEach(() => server?.close());

test('user and password in the URL log in, and a login that is refused is tried again later', async () => {
  server = await startMailServer({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: ({ username, password }, _session, callback) =>
      username === 'me@example.com' && password === 'p@ss/word' ? callback(null, { user: username }) : callback(Object.assign(new Error('no'), { responseCode: 535 })),
  });
  const from = 'vane@example.com';
  const url = (user: string) => server!.url.replace('//', `//${user}@`);
  const sender = new EmailSender({ url: url('me%40example.com:p%40ss%2Fword'), from });
  expect(await sender.send(message, destination)).toEqual({ outcome: 'sent' });
  expect(server.mails[0]!.data).toMatch(/^Message-ID: <ntf_1\.chn_1@example\.com>$/im);
  const stranger = await new EmailSender({ url: url('me%40example.com:letmein'), from }).send(message, destination);
  expect(stranger).toMatchObject({ outcome: 'failed', error: expect.stringContaining('535') });
  expect(JSON.stringify(stranger)).not.toContain('letmein');
});

test('a mail server that is away is asked again later', async () => {
  const away = await startMailServer();
  await away.close();
  expect(await new EmailSender({ url: away.url, from: 'vane@example.com' }).send(message, destination)).toMatchObject({ outcome: 'failed' });
});

test('a mail server that goes on and on without taking the mail is left after a while', async () => {
  let open = 0;
  const slow = createServer((socket) => {
    // More lines of the greeting follow, RFC 5321 section 4.2.1, so it is never silent for long.
    open += 1;
    const drip = setInterval(() => socket.write('220-wait\r\n'), 20);
    socket.on('error', () => undefined).on('close', () => {
      clearInterval(drip);
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  try {
    const url = `smtp://127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const before = performance.now();
    expect(await new EmailSender({ url, from: 'vane@example.com' }, 200).send(message, destination)).toMatchObject({ outcome: 'failed' });
    expect(performance.now() - before).toBeLessThan(5_000);
    await eventually('the connection is closed', async () => open === 0);
  } finally {
    await new Promise((resolve) => slow.close(resolve));
  }
});

test.each([
  ['smtp://user:password@mail.example.com', true],
  ['smtp://user:password@127.0.0.1:2525', false],
  ['smtp://user:password@127.0.0.1.example.com', true],
  ['smtp://mail.example.com', false],
  ['smtps://user:password@mail.example.com', false],
])('%s must offer STARTTLS before a password is sent: %s', (url, required) => {
  expect(transportOptions(url).requireTLS).toBe(required);
});
