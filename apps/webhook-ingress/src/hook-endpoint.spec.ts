import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Answer, RawRequest } from '@vane/kit';
import { HookEndpoint } from './hook-endpoint.js';
import type { Receiver } from './receiver.js';

const LIMITS = { bodyBytes: 1_000, requests: 2, heldBytes: 1_500 };

/** Stands where the receiver does, and says when a request is answered. */
class Desk {
  readonly received: RawRequest[] = [];
  readonly unread: number[] = [];
  shedCount = 0;
  answer: Promise<Answer> = Promise.resolve({ status: 200 });
  private told: () => void = () => undefined;

  recognises = (key: string) => key === 'known';
  unreadable = (status: number) => {
    this.unread.push(status);
    this.told();
  };
  shed = () => void (this.shedCount += 1);
  broken = () => ({ status: 500 });
  receive = (_key: string, request: RawRequest) => {
    this.received.push(request);
    this.told();
    return this.answer;
  };

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.told = resolve));
  }
}

let desk: Desk;
let server: Server;
let port: number;
let closing: boolean;
beforeEach(async () => {
  desk = new Desk();
  closing = false;
  const endpoint = new HookEndpoint(desk as unknown as Receiver, LIMITS, () => closing);
  server = createServer((request, response) => {
    if (!endpoint.answer(request, response)) response.writeHead(299).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function send(path: string, { method = 'POST', body = '', headers = {} }: { method?: string; body?: string; headers?: Record<string, string | string[]> } = {}) {
  const sent = httpRequest({ port, path, method, headers, agent: false });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() };
}

it('hands over method, headers, query and the bytes of the body, and leaves other paths alone', async () => {
  desk.answer = Promise.resolve({ status: 200, body: 'hello', headers: { 'x-one': '1' } });
  const answered = await send('/hooks/known?a=1&b=%20x', { body: 'ü\n', headers: { 'x-signature': ['one', 'two'] } });
  expect(answered).toMatchObject({ status: 200, body: 'hello', headers: { 'x-one': '1', 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' } });
  expect(desk.received[0]).toMatchObject({ method: 'POST', query: { a: '1', b: ' x' }, headers: { 'x-signature': ['one', 'two'] } });
  expect(Buffer.from(desk.received[0]!.body).toString()).toBe('ü\n');
  expect((await send('/readyz')).status).toBe(299);
});

it('answers 404 to a key that is not ours, with whatever stands behind it', async () => {
  for (const path of ['/hooks/', '/hooks/other', '/hooks/known/', '/hooks/kno%77n']) expect((await send(path)).status).toBe(404);
  expect(desk.received).toEqual([]);
});

it('refuses a body beyond the limit, whether its length was announced or not', async () => {
  const body = 'x'.repeat(1_001);
  expect((await send('/hooks/known', { body, headers: { 'content-length': '1001' } })).status).toBe(413);
  expect((await send('/hooks/known', { body, headers: { 'transfer-encoding': 'chunked' } })).status).toBe(413);
  expect((await send('/hooks/known', { body: body.slice(1) })).status).toBe(200);
  expect(desk.unread).toEqual([413, 413]);
});

it('answers 503 at once to what is too much, by number and by bytes, and takes requests again when there is room', async () => {
  let release: (answer: Answer) => void = () => undefined;
  desk.answer = new Promise((resolve) => (release = resolve));
  const first = send('/hooks/known', { body: 'x'.repeat(900) });
  await desk.until(() => desk.received.length === 1);
  expect(await send('/hooks/known', { body: 'x'.repeat(700) })).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  const second = send('/hooks/known', { body: 'x' });
  await desk.until(() => desk.received.length === 2);
  expect((await send('/hooks/known', { body: 'x' })).status).toBe(503);
  release({ status: 200 });
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  expect((await send('/hooks/known', { body: 'x'.repeat(900) })).status).toBe(200);
  expect(desk.shedCount).toBe(2);
});

it('lets go of what broke off, and hands nothing of it on', async () => {
  for (let n = 1; n <= 5; n += 1) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /hooks/known HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\nhalf');
    await once(server, 'request');
    socket.destroy();
    await desk.until(() => desk.unread.length === n);
  }
  expect(desk.received).toEqual([]);
  expect((await send('/hooks/known', { body: 'x' })).status).toBe(200);
});

it('answers 500 when it fails, and tells connections to end when the app is about to stop', async () => {
  desk.answer = Promise.reject(new Error('broken'));
  desk.answer.catch(() => undefined);
  expect((await send('/hooks/known')).status).toBe(500);
  closing = true;
  desk.answer = Promise.resolve({ status: 200 });
  expect((await send('/hooks/known', { headers: { connection: 'keep-alive' } })).headers.connection).toBe('close');
});

it('says to a sender of too large a body how much is taken', async () => {
  const answered = await send('/hooks/known', { headers: { 'content-length': '1001' }, body: 'x'.repeat(1_001) });
  expect(answered).toMatchObject({ status: 413, body: 'The body is larger than 1000 bytes, which is the most that is taken here: send less in one request.\n' });
  expect(desk.received).toEqual([]);
});
