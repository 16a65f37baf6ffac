// An open-loop sender in a process of its own: events go out at their time, whether the last ones were answered or not.
// Signs as Standard Webhooks does (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
import { createHmac, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';

/** `connections`: how many requests can be under way at once (64 unless told); with `ids` the result names what was accepted. */
export type OpenLoad = { url: string; secret: string; perSecond: number; seconds: number; connections?: number; ids?: boolean };
/**
 * `late` of the sent ones went out more than 100 ms after their time: the sender itself was held up. `offered`: what was
 * really sent per second.
 */
export type OpenLoadResult = { sent: number; accepted: number; refused: number; broken: number; late: number; offered: number; ids: string[] };

const CONNECTIONS = 64;
const TICK_MS = 2;
const LATE_MS = 100;
const FILLER = 'x'.repeat(850);

type To = { url: URL; secret: Buffer; agent: Agent; ids: boolean };

function send({ url, secret, agent, ids }: To, tally: OpenLoadResult): Promise<void> {
  const id = `msg_${randomBytes(12).toString('hex')}`;
  const now = performance.timeOrigin + performance.now();
  const body = JSON.stringify({ type: 'bench.measured', id, sentAt: now, filler: FILLER });
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  const headers = {
    'content-type': 'application/json', 'content-length': Buffer.byteLength(body),
    'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}`,
  };
  return new Promise((resolve) => {
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      if (answer.statusCode === 200) {
        tally.accepted += 1;
        if (ids) tally.ids.push(id);
      } else {
        tally.refused += 1;
      }
      answer.resume().on('end', resolve).on('error', resolve);
    });
    sent.on('error', () => {
      tally.broken += 1;
      resolve();
    });
    sent.end(body);
  });
}

async function run({ url, secret, perSecond, seconds, connections = CONNECTIONS, ids = false }: OpenLoad): Promise<OpenLoadResult> {
  const tally: OpenLoadResult = { sent: 0, accepted: 0, refused: 0, broken: 0, late: 0, offered: 0, ids: [] };
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const to = { url: new URL(url), secret: Buffer.from(secret.replace('whsec_', ''), 'base64'), agent, ids };
  const underWay: Promise<void>[] = [];
  const began = performance.now();
  while (tally.sent < perSecond * seconds) {
    const elapsed = performance.now() - began;
    const due = Math.min(perSecond * seconds, Math.ceil((elapsed * perSecond) / 1000));
    while (tally.sent < due) {
      if (elapsed - (tally.sent * 1000) / perSecond > LATE_MS) tally.late += 1;
      tally.sent += 1;
      underWay.push(send(to, tally));
    }
    await new Promise((next) => setTimeout(next, TICK_MS));
  }
  tally.offered = Math.round((tally.sent * 1000) / (performance.now() - began));
  await Promise.all(underWay);
  agent.destroy();
  return tally;
}

process.once('message', (load: OpenLoad) => {
  void run(load).then((result) => process.send?.(result, () => process.disconnect()));
});
