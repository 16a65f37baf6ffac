import { ScriptCompiler } from './compile-script.js';
import { ProcessPool } from './process-pool.js';
import type { Verdict } from './protocol.js';
import { prepareWork, type RunResult, ScriptRun } from './script-run.js';
import type { SandboxFetch, ScriptInput, ScriptOutcome } from './script-types.js';

export type ScriptSandboxOptions = {
  /** Performs scripts' requests; the children cannot. */
  fetch: SandboxFetch;
  /** Children kept warm, which is also how many scripts run at once. */
  processes: number;
  /** Milliseconds of any clock, for `durationMs`. */
  now: () => number;
};

/**
 * Runs untrusted scripts: `export async function main(event, ctx)` in TypeScript or JavaScript, one file, no
 * imports. Every run has an interpreter of its own (QuickJS in WebAssembly) in a child process. `run` never
 * rejects and never blocks the caller's event loop; its outcome says who has to act.
 */
export class ScriptSandbox {
  private readonly compiler = new ScriptCompiler();
  private readonly pool: ProcessPool;

  constructor(private readonly options: ScriptSandboxOptions) {
    this.pool = new ProcessPool(Math.max(1, options.processes));
  }

  async run(input: ScriptInput): Promise<ScriptOutcome> {
    const compiled = await this.compiler.compile(input.code, input.language);
    if (!compiled.ok) {
      const code = compiled.class === 'script' ? 'compile_error' : 'sandbox_crashed';
      return this.outcome(nothingRan({ ok: false, class: compiled.class, code, message: compiled.message }), 0);
    }
    let child;
    let work;
    try {
      work = prepareWork(compiled.script, input);
      child = await this.pool.acquire(input.signal);
    } catch (error) {
      return this.outcome(nothingRan(refused(error as Error, input.signal)), 0);
    }
    const began = this.options.now();
    const result = await new ScriptRun(child, input, this.options.fetch).execute(work);
    this.pool.release(child, result.reusable);
    return this.outcome(result, this.options.now() - began);
  }

  /** Process ids of the children that are alive, for metrics and for tests that kill one. */
  pids(): number[] {
    return this.pool.pids();
  }

  /** Kills the children. Runs under way end as `sandbox_crashed`, waiting ones as `cancelled`. */
  close(): Promise<void> {
    return this.pool.close();
  }

  private outcome({ verdict, logs, logsTruncated }: RunResult, durationMs: number): ScriptOutcome {
    const rest = { logs, logsTruncated, durationMs };
    if (!verdict.ok) return { ...verdict, ...rest };
    try {
      return { ok: true, result: JSON.parse(verdict.result) as unknown, ...rest };
    } catch {
      return { ok: false, class: 'ours', code: 'sandbox_crashed', message: 'The sandbox process reported a result that is not JSON.', ...rest };
    }
  }
}

function nothingRan(verdict: Verdict): RunResult {
  return { verdict, logs: [], logsTruncated: false, reusable: true };
}

function refused(error: Error, signal?: AbortSignal): Verdict {
  if (signal?.aborted) return { ok: false, class: 'ours', code: 'cancelled', message: 'The run was cancelled before it began.' };
  const closed = error.message === 'The sandbox is closed.';
  return { ok: false, class: 'ours', code: closed ? 'cancelled' : 'sandbox_crashed', message: error.message };
}
