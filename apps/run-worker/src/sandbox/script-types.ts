/** What one run of a script may use. */
export type ScriptLimits = {
  /** Wall-clock time of the run in milliseconds, waiting included, compiling and queueing excluded. */
  timeoutMs: number;
  /** Ceiling of the interpreter's whole memory in MiB (16 MiB is the least that can start). */
  memoryMb: number;
  /** UTF-8 bytes of console output kept; the rest is dropped and flagged. */
  logBytes: number;
  /** UTF-8 bytes of the result as JSON. */
  resultBytes: number;
  /** Calls of `fetch` in one run. */
  fetchCount: number;
};

/** Limits for callers that have no opinion on a member. */
export const defaultScriptLimits: ScriptLimits = {
  timeoutMs: 30_000,
  memoryMb: 64,
  logBytes: 64 * 1024,
  resultBytes: 256 * 1024,
  fetchCount: 50,
};

export type ScriptLogLevel = 'log' | 'info' | 'warn' | 'error' | 'debug';

/** One console call; `at` is milliseconds since the run began. Secret values are masked. */
export type ScriptLog = { at: number; level: ScriptLogLevel; text: string };

export type ScriptFailureCode =
  | 'compile_error'
  | 'no_main'
  | 'threw'
  | 'timeout'
  | 'out_of_memory'
  | 'result_too_large'
  | 'not_serialisable'
  | 'sandbox_crashed'
  | 'cancelled';

/** Who has to act on a failure: the author of the script, or whoever runs Vane. */
export type ScriptFailureClass = 'script' | 'ours';

/** What became of a run. A script that returns nothing has the result `null`. */
export type ScriptOutcome =
  | { ok: true; result: unknown; logs: ScriptLog[]; logsTruncated: boolean; durationMs: number }
  | {
      ok: false;
      class: ScriptFailureClass;
      code: ScriptFailureCode;
      message: string;
      /** Frames in the author's own lines, `script.ts:12:5`. */
      stack?: string;
      logs: ScriptLog[];
      logsTruncated: boolean;
      durationMs: number;
    };

export type ScriptLanguage = 'typescript' | 'javascript';

/** Second argument of `main`. */
export type ScriptContext = {
  run: Record<string, unknown>;
  trigger: Record<string, unknown>;
  secrets: Record<string, string>;
  auth?: unknown;
};

export type ScriptInput = {
  code: string;
  language: ScriptLanguage;
  event: unknown;
  ctx: ScriptContext;
  limits: ScriptLimits;
  signal?: AbortSignal;
};

export type SandboxRequest = { url: string; method: string; headers: Record<string, string>; body?: string };
export type SandboxResponse = { status: number; headers: Record<string, string>; body: string };

/**
 * Performs a script's `fetch` in the parent, through the guarded egress client. A rejection reaches the
 * script as a `TypeError` with the same message. `signal` aborts when the run ends before the answer.
 */
export type SandboxFetch = (request: SandboxRequest, options: { signal: AbortSignal }) => Promise<SandboxResponse>;
