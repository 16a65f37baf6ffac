import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { subscriptionChanged, type CallContext } from '@vane/contracts';
import { ServiceError, type RegisterInput, type RemoteApi, type ServiceHttp } from '@vane/kit';
import { hookUrl, type Bus, type Clock, type Logger, type Metrics } from '@vane/runtime';
import { isOurFault, toServiceError, type Connections } from '../connections.js';
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

  async settle(id: string, call: CallContext): Promise<Settled> {
    // The owner is per attempt, not per process: two requests in one process must not share a lease.
    const owner = `${this.owner}/${randomUUID()}`;
    const claimed = await this.rows.claim(id, owner);
    if (!claimed) return { outcome: 'busy' };
    const result = await this.run(claimed, owner, call);
    this.outcomes.inc({ service: claimed.service, outcome: result.outcome });
    const row = await this.rows.release(id, owner);
    this.tell(row ?? claimed);
    // What others asked for meanwhile is theirs: its failure is not the answer to this caller, whose wish was settled.
    if (row && result.outcome === 'settled' && !isSettled(row)) await this.settle(id, call);
    return result;
  }

  private async run(row: SubscriptionRow, owner: string, call: CallContext): Promise<Settled> {
    const adapter = this.adapters.get(row.service);
    const remote = adapter?.triggerTypes[row.trigger_type]?.remote;
    if (isSettled(row)) {
      const seen = row.next_attempt_at ? await this.rows.change(row, owner, { nextAttemptAt: null }) : row;
      return { outcome: 'settled', row: seen ?? row };
    }
    if (!adapter || !remote) return this.fail(row, owner, noAdapter(row), call);
    const started = await this.rows.change(row, owner, { attempts: row.attempts + 1, nextAttemptAt: this.clock.in(TAKEOVER_MS) });
    if (!started) return { outcome: 'busy' };
    try {
      const http = this.leased(await this.connections.http(adapter, row.workspace_id, row.connection_id ?? '', call), row.id, owner);
      const change = await this.step(started, row.attempts > 0, remote, http);
      const done = await this.rows.change(started, owner, (current) => ({ reason: null, attempts: 0, nextAttemptAt: null, ...change, ...this.secretConfirmed(started, current), ...this.overtaken(started, current) }));
      return done ? { outcome: 'settled', row: done } : { outcome: 'busy' };
    } catch (cause) {
      if (cause instanceof LeaseLost) return { outcome: 'busy' };
      if (isOurFault(cause)) this.logger.error({ err: cause, subscriptionId: row.id, correlationId: call.correlationId }, 'settling failed by our own fault');
      return this.fail(started, owner, toServiceError(cause), call);
    }
  }

  /** No call is made for a row that another has taken over. */
  private leased(http: ServiceHttp, id: string, owner: string): ServiceHttp {
    return {
      hostUrl: (host) => http.hostUrl(host),
      request: async (request) => {
        if (!(await this.rows.extend(id, owner))) throw new LeaseLost();
        return http.request(request);
      },
    };
  }

  /** What was asked for while the call was under way stays asked for: a removal above all. */
  private overtaken(before: SubscriptionRow, current: SubscriptionRow): Change {
    const leaving = current.status === 'removing' || current.status === 'removed';
    if (leaving && before.status !== 'removing') return { status: 'removing', nextAttemptAt: this.clock.now() };
    if (current.status === 'removed') return { status: 'removed', nextAttemptAt: null };
    return sameJson(before.want, current.want) && before.secret_version === current.secret_version ? {} : { nextAttemptAt: this.clock.now() };
  }

  /** Every write to the service carries the newest secret; from its answer on the one before has its time. */
  private secretConfirmed(before: SubscriptionRow, current: SubscriptionRow): Change {
    if (before.status === 'removing' || before.applied_secret === before.secret_version) return {};
    const newest = current.secret_version === before.secret_version && current.secret_overlap_ms !== null;
    return { appliedSecret: before.secret_version, ...(newest ? { oldSecretsUntil: this.clock.in(Number(current.secret_overlap_ms)) } : {}) };
  }

  private async step(row: SubscriptionRow, triedBefore: boolean, remote: RemoteApi, http: ServiceHttp): Promise<Change> {
    if (row.status === 'removing') return this.remove(row, triedBefore, remote, http);
    const [secret] = await this.feeds.secrets(row);
    const input = { id: row.id, resource: row.resource, want: row.want, callbackUrl: hookUrl(this.publicUrl, row.key), secret: secret!, now: this.clock.now() };
    const externalId = row.external_id === null ? await this.register(remote, http, input, triedBefore) : await this.update(row.external_id, remote, http, input);
    return { status: 'active', externalId, applied: row.want };
  }

  /** Registers once: an earlier attempt may have got through without our hearing of it, so its object is adopted. */
  private async register(remote: RemoteApi, http: ServiceHttp, input: RegisterInput, triedBefore: boolean): Promise<string> {
    const adopted = triedBefore ? await this.adopt(remote, http, input) : undefined;
    if (adopted !== undefined) return adopted;
    try {
      const { externalId } = await remote.register(http, input);
      // The earlier attempt may have been slow rather than lost.
      if (triedBefore) await this.removeOthers(await this.findOurs(remote, http, input), externalId, remote, http, input);
      return externalId;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'conflict') throw error;
      const found = await this.adopt(remote, http, input);
      if (found === undefined) throw error;
      return found;
    }
  }

  /** Takes one of the objects that are ours and removes the others: two would report everything twice. */
  private async adopt(remote: RemoteApi, http: ServiceHttp, input: RegisterInput): Promise<string | undefined> {
    const ours = await this.findOurs(remote, http, input);
    const [kept] = ours;
    if (kept === undefined) return undefined;
    await this.removeOthers(ours, kept, remote, http, input);
    await remote.update?.(http, kept, input);
    return kept;
  }

  private async removeOthers(ours: string[], kept: string, remote: RemoteApi, http: ServiceHttp, { resource }: { resource: string }): Promise<void> {
    for (const id of ours) if (id !== kept) await remote.remove(http, resource, id);
  }

  private async update(externalId: string, remote: RemoteApi, http: ServiceHttp, input: RegisterInput): Promise<string> {
    try {
      await remote.update?.(http, externalId, input);
      return externalId;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'not_found') throw error;
      return this.register(remote, http, input, true);
    }
  }

  /** Only an object that carries our own callback URL is ours. */
  private async findOurs(remote: RemoteApi, http: ServiceHttp, input: { resource: string; callbackUrl: string }): Promise<string[]> {
    const all = (await remote.list?.(http, input.resource)) ?? [];
    return all.filter((object) => object.callbackUrl === input.callbackUrl).map((object) => object.externalId);
  }

  private async remove(row: SubscriptionRow, triedBefore: boolean, remote: RemoteApi, http: ServiceHttp): Promise<Change> {
    const ids = new Set(row.external_id === null ? [] : [row.external_id]);
    if (triedBefore && row.external_id === null) {
      const input = { resource: row.resource, callbackUrl: hookUrl(this.publicUrl, row.key) };
      for (const id of await this.findOurs(remote, http, input)) ids.add(id);
    }
    for (const id of ids) await remote.remove(http, row.resource, id);
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

class LeaseLost extends Error {}

function noAdapter(row: SubscriptionRow): ServiceError {
  const message = `No adapter for ${row.service}/${row.trigger_type} is installed, so the service cannot be asked. Install it, or delete with force.`;
  return new ServiceError('unavailable', message, { retryAfterMs: REFUSED_BACKOFF_MS });
}

export function isSettled(row: SubscriptionRow): boolean {
  if (row.status === 'removed') return true;
  return row.status === 'active' && row.applied !== null && sameJson(row.applied, row.want) && row.applied_secret === row.secret_version;
}

function statusAfter(row: SubscriptionRow, error: ServiceError): SubscriptionRow['status'] {
  if (row.status === 'removing') return 'removing';
  if (error.kind === 'unauthorised') return 'auth_required';
  if (error.transient) return row.external_id === null ? 'pending' : 'degraded';
  return 'degraded';
}

/** Full jitter: any moment up to the doubled bound, so that many subscriptions do not come back together. */
function backoff(attempts: number): number {
  const bound = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 16));
  return bound / 2 + Math.random() * (bound / 2);
}
