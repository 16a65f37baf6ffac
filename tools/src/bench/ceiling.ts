// The least that a durable webhook receiver can do, with nothing of Vane in it: read the body, check one HMAC over it,
// wait for one JetStream acknowledgement, answer. What arrived together is published together, with one write, and all
// acknowledgements come over one subscription.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, createInbox } from '@nats-io/transport-node';

const { NATS_URL = '', SUBJECT = '', SECRET = '', SIGNATURE_HEADER = '', PORT = '0' } = process.env;
const nats = await connect({ servers: NATS_URL });
const inbox = `${createInbox()}.`;
const waiting = new Map<string, (stored: boolean) => void>();
nats.subscribe(`${inbox}*`, {
  callback: (_error, reply) => {
    waiting.get(reply.subject)?.(reply.string().includes('"seq"'));
    waiting.delete(reply.subject);
  },
});
let number = 0;

/** Whether the stream has it. */
function publish(body: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const reply = inbox + ++number;
    waiting.set(reply, resolve);
    nats.publish(SUBJECT, body, { reply });
  });
}

let turn: Promise<void> | undefined;
/** Resolves when every socket that is readable now has been read. */
function endOfTurn(): Promise<void> {
  return (turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  }));
}

async function receive(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
  const given = Buffer.from(String(request.headers[SIGNATURE_HEADER]), 'hex');
  const expected = createHmac('sha256', SECRET).update(body).digest();
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    response.writeHead(401, { 'content-length': 0 }).end();
    return;
  }
  await endOfTurn();
  response.writeHead((await publish(body)) ? 200 : 503, { 'content-length': 0 }).end();
}

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => void receive(request, response, Buffer.concat(chunks)));
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
