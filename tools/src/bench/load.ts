// The load generator, one program for both servers and a process of its own: keep-alive connections, each of which sends
// its next request when it has the answer to the last one.
import { connect, type Socket } from 'node:net';
import type { LoadJob, LoadResult } from './load-job.js';
import { RequestSource } from './requests.js';

type Tally = { latencies: number[]; refused: number; broken: number; firstProblem: string | null };

/** The status of one whole answer at the start of `bytes` and its length, or undefined while it is incomplete. */
function readAnswer(bytes: Buffer): { status: number; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const contentLength = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (contentLength === undefined) throw new Error(`An answer came without a content length: ${head.split('\r\n')[0]}`);
  const length = headEnd + 4 + Number(contentLength);
  return bytes.length < length ? undefined : { status: Number(head.slice(9, 12)), length };
}

/** One connection, from its first request to its last answer. */
function runConnection(job: LoadJob, source: RequestSource, tally: Tally, endAt: number): Promise<void> {
  const { hostname, port } = new URL(job.url);
  return new Promise((done) => {
    let received: Buffer = Buffer.alloc(0);
    let sentAt = 0;
    const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const send = () => {
      sentAt = performance.now();
      socket.write(source.next());
    };
    const problem = (what: string) => {
      tally.firstProblem ??= what;
    };
    socket.on('connect', send);
    socket.on('data', (chunk) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const answer = readAnswer(received);
      if (!answer) return;
      received = received.subarray(answer.length);
      const now = performance.now();
      if (answer.status >= 200 && answer.status < 300) tally.latencies.push(now - sentAt);
      else {
        tally.refused += 1;
        problem(`an answer was ${answer.status}`);
      }
      sentAt = 0;
      if (now < endAt) send();
      else socket.end();
    });
    socket.on('error', (error) => problem(error.message));
    socket.on('close', () => {
      // An open request whose answer never came: whether it was stored is unknown.
      if (sentAt > 0) {
        tally.broken += 1;
        problem('a connection closed before its answer');
      }
      done();
    });
  });
}

async function run(job: LoadJob): Promise<LoadResult> {
  const source = new RequestSource(job);
  const tally: Tally = { latencies: [], refused: 0, broken: 0, firstProblem: null };
  const startedAt = performance.now();
  const endAt = startedAt + job.durationMs;
  await Promise.all(Array.from({ length: job.connections }, () => runConnection(job, source, tally, endAt)));
  const elapsedMs = performance.now() - startedAt;
  const sorted = Float64Array.from(tally.latencies).sort();
  const percentile = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    accepted: sorted.length,
    refused: tally.refused,
    broken: tally.broken,
    firstProblem: tally.firstProblem,
    elapsedMs,
    rps: (sorted.length * 1000) / elapsedMs,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
}

process.once('message', (job: LoadJob) => {
  void run(job).then((result) => process.send?.(result, () => process.disconnect()));
});
