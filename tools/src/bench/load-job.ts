/** What the load generator is told: where to post, how to sign, for how long. Times are in milliseconds. */
export type LoadJob = {
  url: string;
  secret: string;
  signatureHeader: string;
  idHeader: string;
  connections: number;
  bodyBytes: number;
  durationMs: number;
  /** Requests to sign before the clock starts; what exceeds them is signed on the way. */
  prepared: number;
};

/** What came of it. `rps` counts 2xx answers alone; latencies are those of 2xx answers. */
export type LoadResult = {
  accepted: number;
  refused: number;
  broken: number;
  firstProblem: string | null;
  elapsedMs: number;
  rps: number;
  p50Ms: number;
  p99Ms: number;
};

export const BODY_BYTES = 1_024;
export const CONNECTIONS = 64;
