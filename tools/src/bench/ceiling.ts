// The least that a durable webhook receiver can do, with nothing of Vane in it: read the body, check one HMAC over it,
// wait for one JetStream acknowledgement, answer. What arrived together is published together, with one write.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const { NATS_URL = '', SUBJECT = '', SECRET = '', SIGNATURE_HEADER = '', PORT = '0' } = process.env;
const stream = jetstream(await connect({ servers: NATS_URL }));

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
  try {
    await stream.publish(SUBJECT, body, { timeout: 1_000 });
    response.writeHead(200, { 'content-length': 0 }).end();
  } catch {
    response.writeHead(503, { 'content-length': 0 }).end();
  }
}

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => void receive(request, response, Buffer.concat(chunks)));
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
