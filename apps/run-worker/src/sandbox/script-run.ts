import { entryOverhead } from './log-collector.js';
import { valuesToMask } from './masking.js';
import { type CompiledScript, type FromChild, maxFetchBody, type Verdict } from './protocol.js';
import type { SandboxProcess } from './sandbox-process.js';
import type { SandboxFetch, SandboxRequest, ScriptInput, ScriptLog } from './script-types.js';

/** Time the child gets to report its own timeout before it is killed for it. */
const graceMs = 250;
/** More frames than an honest child can send in one run. */
const mostFrames = 20_000;

type RunMessage = Exclude<FromChild, { type: 'ready' }>;

export type RunResult = { verdict: Verdict; logs: ScriptLog[]; logsTruncated: boolean; reusable: boolean };

/** What a child is given, prepared before one is borrowed. */
export type ScriptWork = { script: CompiledScript; event: string; ctx: string; masked: string[] };

/** Writes the arguments of `main` as JSON; throws when they are not JSON values. */
export function prepareWork(script: CompiledScript, { event, ctx }: ScriptInput): ScriptWork {
  return { script, event: JSON.stringify(event ?? null), ctx: JSON.stringify(ctx), masked: valuesToMask(ctx.secrets, ctx.auth) };
}

let lastRun = 0;

/** The parent's side of one run: feeds the child, performs its fetches, keeps its logs, and never trusts it. */
export class ScriptRun {
  private readonly run = ++lastRun;
  private readonly logs: ScriptLog[] = [];
  private readonly outgoing = new AbortController();
  private logBytes = 0;
  private logsTruncated = false;
  private fetches = 0;
  private frames = 0;
  private settle: (verdict: Verdict, reusable: boolean) => void = () => undefined;

  constructor(
    private readonly child: SandboxProcess,
    private readonly input: Pick<ScriptInput, 'limits' | 'signal'>,
    private readonly fetch: SandboxFetch,
  ) {}

  async execute(work: ScriptWork): Promise<RunResult> {
    const { child, input } = this;
    const finished = new Promise<{ verdict: Verdict; reusable: boolean }>((resolve) => {
      this.settle = (verdict, reusable) => resolve({ verdict, reusable });
    });
    const timer = setTimeout(() => this.timedOut(), input.limits.timeoutMs + graceMs);
    const onAbort = (): void => this.settle({ ok: false, class: 'ours', code: 'cancelled', message: 'The run was cancelled.' }, false);
    input.signal?.addEventListener('abort', onAbort, { once: true });
    void child.ended.then(({ reason, outOfMemory }) => this.lost(reason, outOfMemory));
    child.onMessage = (message) => this.receive(message);
    child.runs += 1;
    if (input.signal?.aborted) onAbort();
    else child.send({ type: 'run', run: this.run, ...work, limits: input.limits });
    const { verdict, reusable } = await finished;
    clearTimeout(timer);
    input.signal?.removeEventListener('abort', onAbort);
    this.outgoing.abort();
    return { verdict, reusable, logs: this.logs, logsTruncated: this.logsTruncated };
  }

  private receive(message: RunMessage): void {
    if (++this.frames > mostFrames) return this.child.kill('The sandbox process sent too many messages.');
    // A child that serves one run at a time and is thrown away when in doubt has no business with another run.
    if (message.run !== this.run) return;
    if (message.type === 'logs') this.keep(message.entries, message.truncated);
    else if (message.type === 'fetch') void this.perform(message.id, message.request);
    else this.settle(message.verdict, !message.spent);
  }

  private keep(entries: ScriptLog[], truncated: boolean): void {
    this.logsTruncated ||= truncated;
    for (const { at, level, text } of entries) {
      this.logBytes += Buffer.byteLength(text) + entryOverhead;
      if (this.logBytes > this.input.limits.logBytes) this.logsTruncated = true;
      else this.logs.push({ at, level, text });
    }
  }

  private async perform(id: number, request: SandboxRequest): Promise<void> {
    const { run } = this;
    try {
      if (++this.fetches > this.input.limits.fetchCount) throw new RangeError(`A run may call fetch at most ${this.input.limits.fetchCount} times.`);
      const { status, headers, body } = await this.fetch(request, { signal: this.outgoing.signal });
      if (body.length > maxFetchBody) throw new RangeError(`The answer has ${body.length} characters; a script can take at most ${maxFetchBody}.`);
      if (!this.outgoing.signal.aborted) this.child.send({ type: 'fetched', run, id, ok: true, response: { status, headers, body } });
    } catch (error) {
      const message = error instanceof Error ? error.message : 'The request failed.';
      if (!this.outgoing.signal.aborted) this.child.send({ type: 'fetched', run, id, ok: false, message });
    }
  }

  private timedOut(): void {
    const message = `The script did not finish within ${this.input.limits.timeoutMs} ms.`;
    this.settle({ ok: false, class: 'script', code: 'timeout', message }, false);
  }

  private lost(reason: string, outOfMemory: boolean): void {
    const { memoryMb } = this.input.limits;
    if (outOfMemory) this.settle({ ok: false, class: 'script', code: 'out_of_memory', message: `The script needed more than its ${memoryMb} MiB of memory.` }, false);
    else this.settle({ ok: false, class: 'ours', code: 'sandbox_crashed', message: `${reason} The run can be tried again.` }, false);
  }
}
