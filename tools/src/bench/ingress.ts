import { Problem } from '../../launch/index.mjs';
import { openHouse, type House, type Side } from './bench-house.js';
import { runLoad } from './child-process.js';
import { median, round } from './figures.js';
import { BODY_BYTES, CONNECTIONS, type LoadResult } from './load-job.js';
import { ID_HEADER, SIGNATURE_HEADER } from './subscription-fixture.js';

export type IngressBenchOptions = { short: boolean; profileDirectory?: string; say: (line: string) => void };

export type Figures = { rps: number; p50_ms: number; p99_ms: number };
export type IngressBenchResult = { vane: Figures; ceiling: Figures; ratio: number };

const ROUNDS = 3;
/** More than either server takes in a second on ordinary hardware; what is beyond is signed while measuring. */
const PREPARED_PER_SECOND = 20_000;

/**
 * How many signed 1 KB posts one webhook-ingress process makes durable per second, against the least such a program can
 * do on the same machine at the same time. Alternating rounds, medians. Throws a Problem when a request was not
 * answered 2xx, or when the stream does not hold exactly one message per 2xx.
 */
export async function benchIngress({ short, profileDirectory, say }: IngressBenchOptions): Promise<IngressBenchResult> {
  const house = await openHouse({ say, ...(profileDirectory ? { profileDirectory } : {}) });
  const interrupted = () => void house.close().then(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const sides = [house.vane, house.ceiling];
    for (const side of sides) await measure(house, side, short ? 1_000 : 3_000);
    const results: Record<Side['name'], LoadResult[]> = { vane: [], ceiling: [] };
    for (let round = 1; round <= ROUNDS; round += 1) {
      for (const side of sides) {
        const result = await measure(house, side, short ? 3_000 : 8_000);
        results[side.name].push(result);
        say(`round ${round}  ${side.name.padEnd(7)}  ${result.rps.toFixed(0).padStart(6)} requests/s  `
          + `p50 ${result.p50Ms.toFixed(2)} ms  p99 ${result.p99Ms.toFixed(2)} ms  ${result.accepted} accepted = ${result.accepted} stored`);
      }
    }
    const vane = figures(results.vane);
    const ceiling = figures(results.ceiling);
    const ratio = round(vane.rps / ceiling.rps, 3);
    if (ratio > 1) say(`Warning: a ratio of ${ratio} is above 1, so the ceiling was held up by something else and the ratio says little.`);
    return { vane, ceiling, ratio };
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await house.close();
  }
}

async function measure(house: House, side: Side, durationMs: number): Promise<LoadResult> {
  await house.purge(side);
  const result = await runLoad({
    url: side.url, secret: house.secret, signatureHeader: SIGNATURE_HEADER, idHeader: ID_HEADER,
    connections: CONNECTIONS, bodyBytes: BODY_BYTES, durationMs, prepared: Math.ceil((durationMs / 1000) * PREPARED_PER_SECOND),
  });
  if (result.refused > 0 || result.broken > 0) {
    throw new Problem(`${side.name}: ${result.refused} requests were refused and ${result.broken} had no answer (first: ${result.firstProblem}), so its rate means nothing.`);
  }
  const stored = await house.stored(side);
  if (stored !== result.accepted) {
    throw new Problem(`${side.name}: ${result.accepted} requests were answered 2xx but its stream holds ${stored} messages.`);
  }
  await house.purge(side);
  return result;
}

function figures(results: LoadResult[]): Figures {
  return {
    rps: Math.round(median(results.map((result) => result.rps))),
    p50_ms: round(median(results.map((result) => result.p50Ms)), 2),
    p99_ms: round(median(results.map((result) => result.p99Ms)), 2),
  };
}
