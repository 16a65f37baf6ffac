import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { subscriptionChanged, type CallContext } from '@vane/contracts';
import { ServiceError, type RegisterInput, type RemoteApi, type ServiceHttp } from '@vane/kit';
import { hookUrl, type Bus, type Clock, type Logger, type Metrics } from '@vane/runtime';
import { toServiceError, type Connections } from '../connections.js';
import { sameJson, type Feeds } from './feeds.js';
import type { Change, SubscriptionRow, SubscriptionRows } from './subscription-rows.js';

/** What became of an attempt to make the service agree with us. */
export type Settled =
  | { outcome: 'settled'; row: SubscriptionRow }
  | { outcome: 'later'; row: SubscriptionRow; error: ServiceError }
  | { outcome: 'refused'; row: SubscriptionRow; error: ServiceError }
  | { outcome: 'busy' };

const FIRST_BACKOFF_MS = 2_000;
const LONGEST_BACKOFF_MS = 600_000;
/** A refusal needs a person; it is still tried again, slowly, because rights are often granted later. */
const REFUSED_BACKOFF_MS = 300_000;
/** While a step is under way its row is due again only after this: a crash is noticed by then. */
const TAKEOVER_MS = 60_000;

/**
 * Closes the difference between what a subscription wants and what the service holds, one committed step at a time:
 * register or adopt, update, remove. Every call to a service happens under the row's lease and outside any transaction,
 * so whatever a crash leaves behind is found by the sweeper and finished.
 */
export class Settler {
  private readonly owner = randomUUID();
  private readonly outcomes;

  constructor(
    private readonly rows: SubscriptionRows,
    private readonly feeds: Feeds,
    private readonly connections: Connections,
    private readonly adapters: AdapterRegistry,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly publicUrl: string,
    metrics: Metrics,
  ) {
    this.outcomes = metrics.counter('vane_subscription_steps_total', 'Attempts to settle a subscription', ['service', 'outcome']);
  }

  /**
   * `lookAgainMs`: even when it succeeds, the sweeper looks at it once more after this time: for a caller that has more
   * to commit and may crash before it does.
   */
  async settle(id: string, call: CallContext, lookAgainMs?: number): Promise<Settled> {
    // The owner is per attempt, not per process: two requests in one process must not share a lease.
    const owner = `${this.owner}/${randomUUID()}`;
    const claimed = await this.rows.claim(id, owner);
    if (!claimed) return { outcome: 'busy' };
    const result = await this.run(claimed, owner, call, lookAgainMs);
    this.outcomes.inc({ service: claimed.service, outcome: result.outcome });
    const row = await this.rows.release(id, owner);
    this.tell(row ?? claimed);
    // What others asked for meanwhile is theirs: its failure is not the answer to this caller, whose wish was settled.
    if (row && result.outcome === 'settled' && !isSettled(row)) await this.settle(id, call, lookAgainMs);
    return result;
  }

  private async run(row: SubscriptionRow, owner: string, call: CallContext, lookAgainMs?: number): Promise<Settled> {
    const adapter = this.adapters.get(row.service);
    const remote = adapter?.triggerTypes[row.trigger_type]?.remote;
    const nextAttemptAt = lookAgainMs === undefined ? null : this.clock.in(lookAgainMs);
    if (!adapter || !remote || isSettled(row)) {
      const seen = row.next_attempt_at || nextAttemptAt ? await this.rows.change(row, owner, { nextAttemptAt }) : row;
      return { outcome: 'settled', row: seen ?? row };
    }
    const started = await this.rows.change(row, owner, { attempts: row.attempts + 1, nextAttemptAt: this.clock.in(TAKEOVER_MS) });
    if (!started) return { outcome: 'busy' };
    try {
      const http = await this.connections.http(adapter, row.workspace_id, row.connection_id ?? '', call);
      const change = await this.step(started, row.attempts > 0, remote, http);
      const done = await this.rows.change(started, owner, (current) => ({ reason: null, attempts: 0, nextAttemptAt, ...change, ...this.overtaken(started, current) }));
      return done ? { outcome: 'settled', row: done } : { outcome: 'busy' };
    } catch (cause) {
      return this.fail(started, owner, toServiceError(cause), call);
    }
  }

  /** What was asked for while the call was under way stays asked for: a removal above all. */
  private overtaken(before: SubscriptionRow, current: SubscriptionRow): Change {
    const leaving = current.status === 'removing' || current.status === 'removed';
    if (leaving && before.status !== 'removing') return { status: 'removing', nextAttemptAt: this.clock.now() };
    if (current.status === 'removed') return { status: 'removed', nextAttemptAt: null };
    return sameJson(before.want, current.want) ? {} : { nextAttemptAt: this.clock.now() };
  }

  private async step(row: SubscriptionRow, triedBefore: boolean, remote: RemoteApi, http: ServiceHttp): Promise<Change> {
    if (row.status === 'removing') return this.remove(row, triedBefore, remote, http);
    const [secret] = await this.feeds.secrets(row);
    const input = { resource: row.resource, want: row.want, callbackUrl: hookUrl(this.publicUrl, row.key), secret: secret! };
    const externalId = row.external_id === null ? await this.register(remote, http, input, triedBefore) : await this.update(row.external_id, remote, http, input);
    return { status: 'active', externalId, applied: row.want };
  }

  /** Registers once: an earlier attempt may have got through without our hearing of it, so its object is adopted. */
  private async register(remote: RemoteApi, http: ServiceHttp, input: RegisterInput, triedBefore: boolean): Promise<string> {
    if (triedBefore) {
      const ours = await this.findOurs(remote, http, input);
      if (ours) return this.update(ours, remote, http, input);
    }
    try {
      return (await remote.register(http, input)).externalId;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'conflict') throw error;
      const ours = await this.findOurs(remote, http, input);
      if (!ours) throw error;
      return this.update(ours, remote, http, input);
    }
  }

  private async update(externalId: string, remote: RemoteApi, http: ServiceHttp, input: RegisterInput): Promise<string> {
    try {
      await remote.update(http, externalId, input);
      return externalId;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'not_found') throw error;
      return this.register(remote, http, input, false);
    }
  }

  /** Only an object that carries our own callback URL is ours. */
  private async findOurs(remote: RemoteApi, http: ServiceHttp, input: RegisterInput): Promise<string | undefined> {
    const all = await remote.list(http, input.resource);
    return all.find((object) => object.callbackUrl === input.callbackUrl)?.externalId;
  }

  private async remove(row: SubscriptionRow, triedBefore: boolean, remote: RemoteApi, http: ServiceHttp): Promise<Change> {
    let externalId: string | null | undefined = row.external_id;
    if (externalId === null && (triedBefore || row.reason_code !== null)) {
      const input = { resource: row.resource, want: row.want, callbackUrl: hookUrl(this.publicUrl, row.key), secret: '' };
      externalId = await this.findOurs(remote, http, input);
    }
    if (externalId) await remote.remove(http, row.resource, externalId);
    return { status: 'removed', externalId: null, applied: null };
  }

  private async fail(row: SubscriptionRow, owner: string, error: ServiceError, call: CallContext): Promise<Settled> {
    const { transient } = error;
    const wait = transient ? (error.details.retryAfterMs ?? backoff(row.attempts)) : REFUSED_BACKOFF_MS * Math.min(row.attempts, 12);
    const status = statusAfter(row, error);
    const reason = { code: error.kind, message: error.message };
    const changed = await this.rows.change(row, owner, (current) => ({ status, reason, nextAttemptAt: this.clock.in(wait), ...this.overtaken(row, current) }));
    this.logger.warn(
      { subscriptionId: row.id, service: row.service, kind: error.kind, status, correlationId: call.correlationId, problem: error.message },
      'service did not do what was asked',
    );
    if (!changed) return { outcome: 'busy' };
    return { outcome: transient ? 'later' : 'refused', row: changed, error };
  }

  private tell(row: SubscriptionRow): void {
    this.bus.publishSignal(subscriptionChanged, { subscriptionId: row.id, key: row.key, version: row.version });
  }
}

export function isSettled(row: SubscriptionRow): boolean {
  if (row.status === 'removed') return true;
  return row.status === 'active' && row.applied !== null && sameJson(row.applied, row.want);
}

function statusAfter(row: SubscriptionRow, error: ServiceError): SubscriptionRow['status'] {
  if (row.status === 'removing') return 'removing';
  if (error.kind === 'unauthorised') return 'auth_required';
  if (error.transient) return row.applied === null ? 'pending' : 'degraded';
  return 'degraded';
}

/** Full jitter: any moment up to the doubled bound, so that many subscriptions do not come back together. */
function backoff(attempts: number): number {
  const bound = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 16));
  return bound / 2 + Math.random() * (bound / 2);
}
