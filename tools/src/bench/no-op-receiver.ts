// What runs call, in a process of its own: answers 200 at once and notes which run came when.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Since the last `reset`: calls, runs among them that had never come before, and how long from post to call, in milliseconds. */
export type ReceiverReport = { calls: number; runs: number; p50Ms: number; p99Ms: number };
export type ReceiverQuestion = 'reset' | 'count' | 'report';

const seen = new Set<string>();
let calls = 0;
let latencies: number[] = [];

const server = createServer((request, response) => {
  const now = performance.timeOrigin + performance.now();
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.writeHead(200, { 'content-length': 0 }).end();
    const run = String(request.headers['webhook-id']);
    const sentAt = /"sentAt": ?([0-9.]+)/.exec(Buffer.concat(chunks).toString('latin1'))?.[1];
    calls += 1;
    if (seen.has(run)) return;
    seen.add(run);
    latencies.push(now - Number(sentAt));
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));

function percentile(share: number): number {
  const sorted = Float64Array.from(latencies).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

process.on('message', (question: ReceiverQuestion) => {
  if (question === 'reset') {
    calls = 0;
    latencies = [];
  }
  const percentiles = question === 'report' ? { p50Ms: percentile(0.5), p99Ms: percentile(0.99) } : { p50Ms: 0, p99Ms: 0 };
  process.send?.({ calls, runs: latencies.length, ...percentiles } satisfies ReceiverReport);
});
process.on('disconnect', () => process.exit(0));
