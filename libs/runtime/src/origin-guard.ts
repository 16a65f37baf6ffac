import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, DelegateBackoff, handleType, type CircuitBreakerPolicy } from 'cockatiel';
import type { Clock } from './clock.js';
import { EgressError, type EgressErrorCode } from './egress/index.js';
import type { Metrics } from './metrics.js';

/** Whom a call goes to: an origin as URLs have it, and who makes it: what one is limited by does not limit the others. */
export type GuardedCall = { origin: string; service: string; label: string; party?: string };

export type OriginGuardOptions = {
  /** Calls that fail in a row before no more are made. */
  failures?: number;
  /** How long none is made then, in milliseconds; doubled with each probe that fails, up to the longest. */
  firstBreakMs?: number;
  longestBreakMs?: number;
  /** Origins whose failures are remembered; beyond it, those that still work and were not called for longest are forgotten. */
  origins?: number;
};

/** A call that was not made; nothing was sent. `limited`: the service asked for a pause; `open`: it did not work lately. */
export class CallRefused extends Error {
  override readonly name = 'CallRefused';

  constructor(
    readonly why: 'limited' | 'open',
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/** What says nothing of the service: the guard refused, or we asked for what cannot be sent or taken. */
const NOT_THEIRS: readonly EgressErrorCode[] = ['egress_blocked', 'invalid_request', 'redirect_refused', 'response_too_large'];

/** Carries an outcome that counts as a failure through the breaker. */
class Failed<T> extends Error {
  constructor(readonly outcome: { answer: T } | { error: unknown }) {
    super('The call failed.');
  }
}

type Circuit = { policy: CircuitBreakerPolicy; service: string; until: number };

/**
 * Spares services that are in trouble, and us the waiting: after several calls to an origin that failed in a row (no
 * connection, no answer in time, 5xx) none is made for a while, then one as a probe. An answer below 500 is no failure,
 * whatever it says. A pause that the service asked for is kept by whom it was asked of. Known to this process alone: others
 * find out for themselves.
 */
export class OriginGuard {
  private readonly circuits = new Map<string, Circuit>();
  private readonly pauses = new Map<string, Date>();
  private readonly options: Required<OriginGuardOptions>;
  private readonly open;

  constructor(
    private readonly clock: Clock,
    metrics?: Metrics,
    options: OriginGuardOptions = {},
  ) {
    this.options = { failures: 8, firstBreakMs: 10_000, longestBreakMs: 120_000, origins: 1_000, ...options };
    this.open = metrics?.gauge('vane_open_circuits', 'Origins that are not called because calls to them kept failing', ['service']);
  }

  /**
   * @param send makes the one call; rejects with an EgressError when no answer came
   * @throws CallRefused, or whatever `send` rejects with
   */
  async call<T extends { status: number }>(to: GuardedCall, send: () => Promise<T>): Promise<T> {
    this.refuseDuringPause(to);
    const circuit = this.circuitOf(to);
    // The library lets callers wait for the probe; nobody should wait for a service that is likely down.
    if (circuit.policy.state === CircuitState.HalfOpen) throw this.openError(to, circuit);
    try {
      const answer = await circuit.policy.execute(() => judged(send));
      // What works needs no memory.
      if (this.circuits.get(to.origin) === circuit && circuit.policy.state === CircuitState.Closed) this.circuits.delete(to.origin);
      return answer;
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw this.openError(to, circuit);
      if (!(error instanceof Failed)) throw error;
      const { outcome } = error as Failed<T>;
      if ('answer' in outcome) return outcome.answer;
      throw outcome.error;
    }
  }

  /** Keeps a party from calling an origin again before the pause that the service asked for is over. */
  pause({ origin, party = '' }: Pick<GuardedCall, 'origin' | 'party'>, ms: number): void {
    const now = this.clock.now();
    for (const [key, until] of this.pauses) if (until <= now) this.pauses.delete(key);
    if (ms > 0) this.pauses.set(keyOf(origin, party), this.clock.in(ms));
  }

  private refuseDuringPause({ origin, label, party = '' }: GuardedCall): void {
    const until = this.pauses.get(keyOf(origin, party));
    const left = until === undefined ? 0 : until.getTime() - this.clock.now().getTime();
    if (left <= 0) return;
    throw new CallRefused('limited', `${label} asked us to slow down, so it is asked again in ${Math.ceil(left / 1000)} s at the earliest.`, left);
  }

  private openError({ label }: GuardedCall, circuit: Circuit): CallRefused {
    const left = Math.max(1_000, circuit.until - performance.now());
    const message = `${label} has failed ${this.options.failures} calls in a row, so it is not called for now; the next try is in ${Math.ceil(left / 1000)} s.`;
    return new CallRefused('open', message, left);
  }

  private circuitOf({ origin, service }: GuardedCall): Circuit {
    const known = this.circuits.get(origin);
    if (known) return this.keep(origin, known);
    const { failures, firstBreakMs, longestBreakMs } = this.options;
    const breaker = new ConsecutiveBreaker(failures);
    const halfOpenAfter = new DelegateBackoff(({ attempt }: { attempt: number }) => {
      const ms = Math.min(longestBreakMs, firstBreakMs * 2 ** (attempt - 1));
      circuit.until = performance.now() + ms;
      return ms;
    });
    const circuit: Circuit = { policy: circuitBreaker(handleType(Failed), { breaker, halfOpenAfter }), service, until: 0 };
    circuit.policy.onStateChange(() => this.measure(service));
    this.forgetOldest();
    return this.keep(origin, circuit);
  }

  /** At the end of the map, which is in the order of use. */
  private keep(origin: string, circuit: Circuit): Circuit {
    this.circuits.delete(origin);
    this.circuits.set(origin, circuit);
    return circuit;
  }

  /** Makes room for one more. Tenants choose hosts, so there is no end to origins; a break that is over protects nobody. */
  private forgetOldest(): void {
    if (this.circuits.size < this.options.origins) return;
    const isOpen = ({ policy, until }: Circuit) => policy.state !== CircuitState.Closed && until > performance.now();
    const [origin] = [...this.circuits].find(([, circuit]) => !isOpen(circuit)) ?? [...this.circuits][0]!;
    const { service } = this.circuits.get(origin)!;
    this.circuits.delete(origin);
    this.measure(service);
  }

  private measure(service: string): void {
    const open = [...this.circuits.values()].filter((one) => one.service === service && one.policy.state !== CircuitState.Closed);
    this.open?.set({ service }, open.length);
  }
}

async function judged<T extends { status: number }>(send: () => Promise<T>): Promise<T> {
  let answer: T;
  try {
    answer = await send();
  } catch (error) {
    if (error instanceof EgressError && !NOT_THEIRS.includes(error.code)) throw new Failed<T>({ error });
    throw error;
  }
  if (answer.status >= 500) throw new Failed({ answer });
  return answer;
}

const keyOf = (origin: string, party: string): string => `${origin} ${party}`;
