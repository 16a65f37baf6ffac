// What runs call, in a process of its own: answers 200, at once or after as many milliseconds as its first argument says,
// and notes which run came when.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Since the last `reset`: calls, runs among them that had never come before, how long from post to call, in milliseconds, and
 * how many came per second between the first fifth and the last one, which leaves out where the load begins and ends.
 */
export type ReceiverReport = { calls: number; runs: number; p50Ms: number; p99Ms: number; perSecond: number };
export type ReceiverQuestion = 'reset' | 'count' | 'report';
/** Which of these events, by the ids that their sender gave them, no run has come for since the start. */
export type MissingQuestion = { missing: string[] };
/** Milliseconds of the clock from a moment to the last call that belonged to what happened then, see `recoveredAfter`. */
export type RecoveryQuestion = { recoveredSince: number };

const answerAfterMs = Number(process.argv[2] ?? 0);
const seen = new Set<string>();
const events = new Set<string>();
let calls = 0;
let latencies: number[] = [];
let arrivals: number[] = [];
/** A run that starts so long after the post was held up by something. */
const HELD_UP_MS = 500;

const server = createServer((request, response) => {
  const now = performance.timeOrigin + performance.now();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const answer = () => void response.writeHead(200, { 'content-length': 0 }).end();
    if (answerAfterMs > 0) setTimeout(answer, answerAfterMs);
    else answer();
    const run = String(request.headers['webhook-id']);
    const body = Buffer.concat(chunks).toString('latin1');
    const sentAt = /"sentAt": ?([0-9.]+)/.exec(body)?.[1];
    const event = /"id": ?"(msg_[0-9a-f]+)"/.exec(body)?.[1];
    if (event) events.add(event);
    calls += 1;
    if (seen.has(run)) return;
    seen.add(run);
    latencies.push(now - Number(sentAt));
    arrivals.push(now);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

function percentile(share: number): number {
  const sorted = Float64Array.from(latencies).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function steadyPerSecond(): number {
  const [from, to] = [Math.floor(arrivals.length / 5), Math.floor((arrivals.length * 4) / 5)];
  const seconds = ((arrivals[to] ?? 0) - (arrivals[from] ?? 0)) / 1000;
  return seconds > 0 ? (to - from) / seconds : 0;
}

/**
 * From `since` to the last call that came late for its post, or to the first call for an event that was posted afterwards,
 * whichever is later: from then on all is as it was.
 */
function recoveredAfter(since: number): number {
  let last = Infinity;
  const sentAt = (index: number) => (arrivals[index] ?? 0) - (latencies[index] ?? 0);
  const first = arrivals.findIndex((_, index) => sentAt(index) > since);
  if (first >= 0) last = arrivals[first]!;
  arrivals.forEach((at, index) => {
    if (at > since && (latencies[index] ?? 0) > HELD_UP_MS) last = Math.max(last, at);
  });
  return last - since;
}

process.on('message', (question: ReceiverQuestion | MissingQuestion | RecoveryQuestion) => {
  if (typeof question === 'object') {
    process.send?.('missing' in question ? question.missing.filter((id) => !events.has(id)) : recoveredAfter(question.recoveredSince));
    return;
  }
  if (question === 'reset') {
    calls = 0;
    latencies = [];
    arrivals = [];
  }
  const report = question === 'report';
  const figures = { p50Ms: report ? percentile(0.5) : 0, p99Ms: report ? percentile(0.99) : 0, perSecond: report ? steadyPerSecond() : 0 };
  process.send?.({ calls, runs: latencies.length, ...figures } satisfies ReceiverReport);
});
process.on('disconnect', () => process.exit(0));
