import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { probeNats, probePostgres, probeRedis } from './probes.mjs';

const open: { server: Server; sockets: Socket[] }[] = [];

/** A server that greets and answers as told, on a port of its own. */
async function listen(answer: (received: Buffer, socket: Socket) => void, greeting?: string) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (greeting) socket.write(greeting);
    socket.on('data', (chunk) => answer(chunk, socket));
  }).listen(0, '127.0.0.1');
  open.push({ server, sockets });
  await once(server, 'listening');
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, timeoutMs: 20_000 };
}

function message(type: string, body: Buffer) {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const authenticationOk = message('R', Buffer.from([0, 0, 0, 0]));
const version = (text: string) => message('S', Buffer.from(`server_version\0${text}\0`));
const readyForQuery = message('Z', Buffer.from('I'));

afterEach(() => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

describe('Postgres', () => {
  it('is usable when it opens a session without a password', async () => {
    let startup: Buffer = Buffer.alloc(0);
    const address = await listen((received, socket) => {
      startup = received;
      socket.write(Buffer.concat([authenticationOk, version('15.14 (Debian)'), readyForQuery]));
    });
    expect(await probePostgres({ ...address, user: 'ada', database: 'books' })).toEqual({ ok: true, present: true, reason: '' });
    expect(startup.readInt32BE(0)).toBe(startup.length);
    expect(startup.readInt32BE(4)).toBe(196_608);
    expect(startup.toString('utf8', 8)).toContain('user\0ada\0database\0books\0');
  });

  it('is understood when its answer comes in single bytes', async () => {
    const address = await listen((_, socket) => {
      socket.setNoDelay(true);
      for (const byte of Buffer.concat([authenticationOk, version('16.1'), readyForQuery])) socket.write(Buffer.from([byte]));
    });
    expect((await probePostgres(address)).ok).toBe(true);
  });

  it('is present but not usable when it wants a password, is too old or refuses the account', async () => {
    const password = await listen((_, socket) => { socket.write(message('R', Buffer.from([0, 0, 0, 10]))); });
    const old = await listen((_, socket) => { socket.write(Buffer.concat([authenticationOk, version('13.2'), readyForQuery])); });
    const refusing = await listen((_, socket) => { socket.write(message('E', Buffer.from('SFATAL\0C28000\0Mrole "x" does not exist\0\0'))); });
    expect(await probePostgres(password)).toEqual({ ok: false, present: true, reason: 'it wants a password' });
    expect((await probePostgres(old)).reason).toBe('it is Postgres 13.2, and Vane needs 15 or later');
    expect((await probePostgres(refusing)).reason).toBe('it says: role "x" does not exist');
  });

  it('is absent where something else answers or nothing ever does', async () => {
    const web = await listen((_, socket) => { socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'); });
    const silent = await listen(() => undefined);
    expect(await probePostgres(web)).toEqual({ ok: false, present: false, reason: 'what answers there is not Postgres' });
    expect(await probePostgres({ ...silent, timeoutMs: 200 })).toEqual({ ok: false, present: false, reason: 'it does not answer' });
  });
});

describe('Redis', () => {
  it('is usable when it answers PING', async () => {
    const address = await listen((received, socket) => { if (received.toString() === '*1\r\n$4\r\nPING\r\n') socket.write('+PONG\r\n'); });
    expect(await probeRedis(address)).toEqual({ ok: true, present: true, reason: '' });
  });

  it('is given the password of its address before PING', async () => {
    const address = await listen((received, socket) => {
      if (received.toString().startsWith('*3\r\n$4\r\nAUTH\r\n$3\r\nada\r\n$5\r\nlöse\r\n')) socket.write('+OK\r\n+PONG\r\n');
    });
    expect((await probeRedis({ ...address, user: 'ada', password: 'löse' })).ok).toBe(true);
  });

  it('that wants a password is named as such', async () => {
    const address = await listen((_, socket) => { socket.write('-NOAUTH Authentication required.\r\n'); });
    expect(await probeRedis(address)).toEqual({ ok: false, present: true, reason: 'it wants a password' });
  });

  it('is absent where something else answers, hangs up or listens no more', async () => {
    const web = await listen((_, socket) => { socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'); });
    const closing = await listen((_, socket) => { socket.end(); });
    expect((await probeRedis(web)).reason).toBe('what answers there is not Redis');
    expect((await probeRedis(closing)).reason).toBe('what answers there speaks another protocol');
    const gone = open[0]!.server;
    open[0]!.sockets.forEach((socket) => socket.destroy());
    gone.close();
    await once(gone, 'close');
    expect(await probeRedis(web)).toEqual({ ok: false, present: false, reason: 'the connection fails (ECONNREFUSED)' });
  });
});

describe('NATS', () => {
  it('is usable when its INFO says JetStream is on', async () => {
    const address = await listen(() => undefined, 'INFO {"server_name":"a","jetstream":true} \r\n');
    expect(await probeNats(address)).toEqual({ ok: true, present: true, reason: '' });
  });

  it('without JetStream is present but not usable', async () => {
    const address = await listen(() => undefined, 'INFO {"server_name":"a"} \r\n');
    expect(await probeNats(address)).toEqual({ ok: false, present: true, reason: 'its JetStream is off: start nats-server with -js' });
  });

  it('is absent where the greeting is another one, is no JSON or never comes', async () => {
    expect((await probeNats(await listen(() => undefined, '220 mail.example.com ESMTP\r\n'))).reason).toBe('what answers there is not NATS');
    expect((await probeNats(await listen(() => undefined, 'INFO what?\r\n'))).reason).toBe('what answers there is not NATS');
    expect((await probeNats({ ...await listen(() => undefined), timeoutMs: 200 })).reason).toBe('it does not answer');
  });
});
