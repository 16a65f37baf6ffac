import { asId, asLevel, asText, type HostOperation, pureOperations } from './host-operations.js';
import { Interpreter, type Step } from './interpreter.js';
import { LogCollector } from './log-collector.js';
import { createMasker } from './masking.js';
import { positionMapper } from './positions.js';
import { type FetchedMessage, type FromChild, maxFetchBody, type RunMessage, type Verdict } from './protocol.js';
import type { SandboxRequest } from './script-types.js';

const jobsAtOnce = 1000;
const mostTimers = 1000;

type ErrorText = { name: string; message: string; stack: string };

const neverSettles = 'main() waits for a promise that nothing can settle any more: no timer and no fetch is outstanding.';

function asRequest(value: unknown): SandboxRequest {
  const { url, method, headers, body } = (value ?? {}) as Record<string, unknown>;
  const entries = Object.entries((headers ?? {}) as Record<string, unknown>).map(([name, text]) => [name, asText(text)]);
  return {
    url: asText(url, 16 * 1024),
    method: asText(method, 16),
    headers: Object.fromEntries(entries) as Record<string, string>,
    ...(body === undefined ? {} : { body: asText(body, maxFetchBody) }),
  };
}

/** One run in the child: owns its interpreter, timers and outstanding fetches, and ends in exactly one verdict. */
export class Execution {
  private readonly began = performance.now();
  private readonly masker;
  private readonly positions;
  private readonly logs;
  private readonly timers = new Map<number, NodeJS.Timeout>();
  private readonly fetches = new Set<number>();
  private fetchCount = 0;
  private interpreter: Interpreter | undefined;
  private verdict: Verdict | undefined;
  private spent = false;
  private ended = false;
  private pumping = false;

  constructor(
    private readonly message: RunMessage,
    private readonly send: (message: FromChild) => void,
    private readonly onEnd: () => void,
  ) {
    this.masker = createMasker(message.masked);
    this.positions = positionMapper(message.script);
    this.logs = new LogCollector({
      bytes: message.limits.logBytes,
      masker: this.masker,
      now: () => this.elapsed(),
      send: (entries, truncated) => this.send({ type: 'logs', run: message.run, entries, truncated }),
    });
  }

  private readonly operations: Record<string, HostOperation> = {
    ...pureOperations,
    log: ([level, text, cut]) => this.logs.add(asLevel(level), this.positions(asText(text, Infinity)), cut === true),
    fetch: ([id, request]) => this.fetch(asId(id), asRequest(request)),
    timer: ([id, delay]) => this.startTimer(asId(id), Number(delay)),
    clearTimer: ([id]) => this.clearTimer(asId(id)),
    done: ([kind, detail]) => this.done(kind, detail),
  };

  async run(): Promise<void> {
    const { limits, script, event, ctx } = this.message;
    const deadline = setTimeout(() => this.timedOut(), limits.timeoutMs);
    this.onFinish = () => clearTimeout(deadline);
    await this.guarded(async () => {
      const logText = limits.logBytes + this.masker.longest;
      this.interpreter = await Interpreter.create({
        memoryMb: limits.memoryMb,
        logText,
        resultText: limits.resultBytes,
        longestCall: 6 * Math.max(maxFetchBody, logText, limits.resultBytes) + 65_536,
        interrupted: () => this.late,
        call: (operation, json) => this.call(operation, json),
      });
      this.after(this.interpreter.start(script.code, event, ctx));
    });
  }

  /** An answer to one of this run's fetches. */
  fetched(message: FetchedMessage): void {
    if (!this.fetches.delete(message.id)) return;
    const json = JSON.stringify(message.ok ? message.response : message.message);
    void this.guarded(() => this.after(this.interpreter?.fetched(message.id, message.ok, json)));
  }

  private onFinish = (): void => undefined;

  private elapsed(): number {
    return performance.now() - this.began;
  }

  private call(operation: string, json: string): string | undefined {
    const handler = Object.hasOwn(this.operations, operation) ? this.operations[operation] : undefined;
    if (!handler) throw new TypeError('no such operation');
    const answer = handler(JSON.parse(json) as unknown[]);
    return answer === undefined ? undefined : JSON.stringify(answer);
  }

  private fetch(id: number, request: SandboxRequest): void {
    if (++this.fetchCount > this.message.limits.fetchCount) {
      throw new RangeError(`A run may call fetch at most ${this.message.limits.fetchCount} times.`);
    }
    this.fetches.add(id);
    this.logs.flush();
    this.send({ type: 'fetch', run: this.message.run, id, request });
  }

  private startTimer(id: number, delay: number): void {
    if (this.timers.size >= mostTimers) throw new RangeError(`At most ${mostTimers} timers may be waiting at once.`);
    const fire = (): void => {
      this.timers.delete(id);
      void this.guarded(() => this.after(this.interpreter?.fire(id)));
    };
    this.timers.set(id, setTimeout(fire, delay));
  }

  private clearTimer(id: number): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
  }

  private done(kind: unknown, detail: unknown): void {
    const { resultBytes } = this.message.limits;
    // An interrupted async function rejects, which a script could otherwise take for an error like any other.
    if (this.late) {
      this.runOut();
    } else if (kind === 'ok') {
      const result = asText(detail, Infinity);
      if (Buffer.byteLength(result) > resultBytes) return this.done('result_too_large', Buffer.byteLength(result));
      this.verdict ??= { ok: true, result };
    } else if (kind === 'no_main') {
      this.fail('no_main', 'The script exports no function called main. Write: export async function main(event, ctx) { ... }');
    } else if (kind === 'result_too_large') {
      this.fail('result_too_large', `main() returned about ${Number(detail)} bytes of JSON; at most ${resultBytes} are allowed. Return less, or store the data elsewhere.`);
    } else if (kind === 'not_serialisable') {
      const { message } = detail as ErrorText;
      this.fail('not_serialisable', `What main() returned cannot be written as JSON: ${message}`);
    } else {
      this.threw(detail as ErrorText);
    }
  }

  private threw(error: ErrorText): void {
    const { name, message, stack } = error;
    const own = name === 'InternalError';
    if (own && (message === 'out of memory' || message === 'string too long')) return this.outOfMemory();
    const text = name === '' || name === 'Error' ? message : `${name}: ${message}`;
    this.fail('threw', text || 'main() threw a value without a message.', stack && `${name}: ${message}\n${stack}`.trimEnd());
  }

  private outOfMemory(): void {
    this.spent = true;
    this.fail('out_of_memory', `The script needed more than its ${this.message.limits.memoryMb} MiB of memory.`);
  }

  private get late(): boolean {
    return this.elapsed() > this.message.limits.timeoutMs;
  }

  private runOut(): void {
    this.spent = true;
    this.fail('timeout', `The script did not finish within ${this.message.limits.timeoutMs} ms.`);
  }

  private timedOut(): void {
    this.runOut();
    this.finish();
  }

  private fail(code: Exclude<Verdict, { ok: true }>['code'], message: string, stack?: string): void {
    const clean = (text: string): string => this.masker.mask(this.positions(text)).slice(0, 16_384);
    this.verdict ??= { ok: false, class: 'script', code, message: clean(message), ...(stack ? { stack: clean(stack) } : {}) };
  }

  /** Looks at what a step did and goes on with promise jobs until there is a verdict or nothing left to do. */
  private after(step: Step | undefined): void {
    if (this.ended || !step || !this.interpreter) return;
    if (!this.verdict && this.late) return this.timedOut();
    if (step.failed) this.threw(step.failed);
    if (this.verdict) return this.finish();
    if (this.interpreter.hasWork) return this.pump();
    if (this.fetches.size > 0 || this.timers.size > 0) return this.logs.flush();
    if (this.interpreter.exhausted) this.outOfMemory();
    else this.fail('threw', neverSettles);
    this.finish();
  }

  /** Leaves the event loop a turn between batches, so that answers and the deadline get through. */
  private pump(): void {
    if (this.pumping) return;
    this.pumping = true;
    setImmediate(() => {
      this.pumping = false;
      if (!this.ended) void this.guarded(() => this.after(this.interpreter?.work(jobsAtOnce)));
    });
  }

  /** A trap or an overflow of the host's stack leaves the interpreter unusable: the run ends and the child with it. */
  private async guarded(step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.spent = true;
      if (this.late) this.timedOut();
      else if (error instanceof RangeError && error.message.includes('call stack')) this.fail('threw', 'InternalError: stack overflow');
      else if (this.interpreter?.exhausted || /out of memory|memory access|allocat/u.test(String(error))) this.outOfMemory();
      else this.verdict ??= { ok: false, class: 'ours', code: 'sandbox_crashed', message: `The sandbox failed: ${this.masker.mask(String(error)).slice(0, 500)}` };
      this.finish();
    }
  }

  private finish(): void {
    if (this.ended || !this.verdict) return;
    this.ended = true;
    this.onFinish();
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.interpreter = undefined;
    this.logs.flush();
    this.send({ type: 'done', run: this.message.run, verdict: this.verdict, spent: this.spent });
    this.onEnd();
  }
}
