/**
 * One time limit for a whole call, joined with the caller's own abort signal. `signal` tells the
 * HTTP client to let go; `race` makes sure the caller hears at once even while the client is still
 * resolving or connecting, which it does not interrupt.
 */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #aborted: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #onOuterAbort = () => this.#controller.abort(this.#outer?.reason);

  /** @param onTimeout makes the error that the call ends with after `timeoutMs` */
  constructor(timeoutMs: number, onTimeout: () => Error, outer?: AbortSignal) {
    this.signal = this.#controller.signal;
    this.#aborted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true });
    });
    this.#aborted.catch(() => undefined);
    this.#timer = setTimeout(() => this.#controller.abort(onTimeout()), timeoutMs);
    this.#outer = outer;
    if (outer?.aborted) this.#onOuterAbort();
    else outer?.addEventListener('abort', this.#onOuterAbort, { once: true });
  }

  /** Waits for the work, or rejects with the abort reason. What the abandoned work does later is ignored. */
  async race<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    return Promise.race([work, this.#aborted]);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onOuterAbort);
  }
}
