import { randomUUID } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { subscriptionChanged, type CallContext } from '@vane/contracts';
import {
  ServiceError, type RegisterInput, type Registered, type RemoteApi, type ServiceHttp, type TriggerType, type VisibleRemote,
} from '@vane/kit';
import { carriesKey, hookUrl, type Bus, type Clock, type Logger, type Metrics } from '@vane/runtime';
import { isOurFault, toServiceError } from '../connections.js';
import type { FeedPulls } from '../pulls/feed-pulls.js';
import { sameJson, type Feeds } from './feeds.js';
import { isOpaque, OpaqueSteps, removedByItself } from './opaque-steps.js';
import type { Replacements } from './replacements.js';
import { firstLooks, lifetime } from './schedule.js';
import type { SubscriptionCalls } from '../subscription-calls.js';
import { waitAfter } from '../waits.js';
import { LeaseLost, type Change, type SubscriptionRow, type SubscriptionRows } from './subscription-rows.js';

/** What became of an attempt to make the service agree with us. */
export type Settled =
  | { outcome: 'settled'; row: SubscriptionRow }
  | { outcome: 'later'; row: SubscriptionRow; error: ServiceError }
  | { outcome: 'refused'; row: SubscriptionRow; error: ServiceError }
  | { outcome: 'busy' };

/** `replaced`: another row took its place, and is to be settled for it. */
type Ran = Settled | { outcome: 'replaced'; row: SubscriptionRow; by: string };

export type SettlerSettings = {
  /** Where services reach ingress. */
  publicUrl: string;
  checkEverySeconds: number;
};

/** An adapter is installed by a person. */
const NO_ADAPTER_MS = 300_000;
/** While a step is under way its row is due again only after this: a crash is noticed by then. */
const TAKEOVER_MS = 60_000;

/**
 * Closes the difference between what a subscription wants and what the service holds, one committed step at a time:
 * register or adopt, update, remove. Every call to a service happens under the row's lease and outside any transaction,
 * so whatever a crash leaves behind is due again and finished.
 */
export class Settler {
  private readonly owner = randomUUID();
  private readonly outcomes;
  private readonly opaque: OpaqueSteps;

  constructor(
    private readonly rows: SubscriptionRows,
    private readonly feeds: Feeds,
    private readonly pulls: FeedPulls,
    private readonly replacements: Replacements,
    private readonly calls: SubscriptionCalls,
    private readonly adapters: AdapterRegistry,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly settings: SettlerSettings,
    metrics: Metrics,
  ) {
    this.opaque = new OpaqueSteps(rows, replacements, clock);
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
    if (result.outcome === 'replaced') return this.settle(result.by, call);
    // What others asked for meanwhile is theirs: its failure is not the answer to this caller, whose wish was settled.
    if (row?.next_attempt_at && row.next_attempt_at <= this.clock.now() && result.outcome === 'settled' && !isSettled(row)) await this.settle(id, call);
    return result;
  }

  private async run(row: SubscriptionRow, owner: string, call: CallContext): Promise<Ran> {
    const adapter = this.adapters.get(row.service);
    const type = adapter?.triggerTypes[row.trigger_type];
    if (isSettled(row)) return this.done(row.next_attempt_at ? await this.rows.change(row, owner, { nextAttemptAt: null }) : row);
    if (!adapter || !type?.remote) return this.fail(row, owner, noAdapter(row), call);
    const gone = removedByItself(row, type.remote, this.clock.now());
    if (gone) return this.done(await this.rows.change(row, owner, { ...gone, attempts: 0, nextAttemptAt: null }));
    const started = await this.rows.change(row, owner, { attempts: row.attempts + 1, nextAttemptAt: this.clock.in(TAKEOVER_MS) });
    if (!started) return { outcome: 'busy' };
    try {
      const http = await this.calls.http(adapter, row, owner, call);
      return await this.step({ row: started, owner, type, remote: type.remote, http, triedBefore: row.attempts > 0 });
    } catch (cause) {
      if (cause instanceof LeaseLost) return { outcome: 'busy' };
      if (isOurFault(cause)) this.logger.error({ err: cause, subscriptionId: row.id, correlationId: call.correlationId }, 'settling failed by our own fault');
      return this.fail(started, owner, toServiceError(cause), call);
    }
  }

  private done(row: SubscriptionRow | null): Settled {
    return row ? { outcome: 'settled', row } : { outcome: 'busy' };
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

  private async step(at: Step): Promise<Ran> {
    const { row, owner, type, remote, http } = at;
    if (row.status === 'removing') return this.commit(at, await (isOpaque(remote) ? this.opaque.remove(row, remote, http) : this.remove(at, remote)));
    const [secret] = await this.feeds.secrets(row);
    const callbackUrl = hookUrl(this.settings.publicUrl, row.key);
    const input = { id: row.id, resource: row.resource, want: row.want, callbackUrl, secret: secret!, now: this.clock.now() };
    // Before the registration, so that nothing that happens between the two is missed.
    if (row.external_id === null) await this.pulls.begin(row, type, http);
    if (!isOpaque(remote)) {
      if (row.external_id !== null && (await this.update(row.external_id, remote, http, input))) return this.commit(at, this.applied(row));
      return this.commitRegistered(at, await this.register(remote, http, input, row, at.triedBefore || row.external_id !== null));
    }
    const step = await this.opaque.step(row, owner, type, remote, () => remote.register(http, input));
    if ('goOn' in step) return { outcome: 'replaced', row, by: step.goOn.id };
    return 'registered' in step ? this.commitRegistered(at, step.registered) : this.commit(at, step.change);
  }

  private async commit({ row, owner }: Step, change: Change): Promise<Settled> {
    return this.done(await this.rows.change(row, owner, this.changeOf(row, change)));
  }

  private async commitRegistered({ row, owner, remote }: Step, { externalId, aux, expiresAt }: Registered): Promise<Settled> {
    const now = this.clock.now();
    const change = {
      ...this.applied(row), externalId, aux: aux ?? null, registeredAt: now,
      ...lifetime(now, expiresAt === undefined ? null : new Date(expiresAt)), ...firstLooks(remote, this.clock, this.settings.checkEverySeconds),
    };
    const done = await this.replacements.registered(row, owner, this.changeOf(row, change));
    if (done?.replaced) this.tell(done.replaced);
    return this.done(done && done.row);
  }

  private applied(row: SubscriptionRow): Change {
    return { status: 'active', applied: row.want, publicUrl: this.settings.publicUrl, drift: null, driftKept: null };
  }

  private changeOf(row: SubscriptionRow, change: Change): (current: SubscriptionRow) => Change {
    return (current) => ({ reason: null, attempts: 0, nextAttemptAt: null, ...change, ...this.secretConfirmed(row, current), ...this.overtaken(row, current) });
  }

  /** Registers once: an earlier attempt may have got through without our hearing of it, so its object is adopted. */
  private async register(remote: VisibleRemote, http: ServiceHttp, input: RegisterInput, row: SubscriptionRow, triedBefore: boolean): Promise<Registered> {
    const adopted = triedBefore ? await this.adopt(remote, http, input, row) : undefined;
    if (adopted) return adopted;
    try {
      const registered = await remote.register(http, input);
      // The earlier attempt may have been slow rather than lost.
      if (triedBefore) await this.removeOthers(await this.findOurs(remote, http, row), registered.externalId, remote, http, row);
      return registered;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'conflict') throw error;
      const found = await this.adopt(remote, http, input, row);
      if (!found) throw error;
      return found;
    }
  }

  /** Takes one of the objects that are ours and removes the others: two would report everything twice. */
  private async adopt(remote: VisibleRemote, http: ServiceHttp, input: RegisterInput, row: SubscriptionRow): Promise<Registered | undefined> {
    const ours = await this.findOurs(remote, http, row);
    const [kept] = ours;
    if (kept === undefined) return undefined;
    await this.removeOthers(ours, kept, remote, http, row);
    await remote.update(http, kept, input);
    return { externalId: kept };
  }

  private async removeOthers(ours: string[], kept: string, remote: VisibleRemote, http: ServiceHttp, { resource }: SubscriptionRow): Promise<void> {
    for (const id of ours) if (id !== kept) await remote.remove(http, resource, id);
  }

  /** False when the service does not have it. */
  private async update(externalId: string, remote: VisibleRemote, http: ServiceHttp, input: RegisterInput): Promise<boolean> {
    try {
      await remote.update(http, externalId, input);
      return true;
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'not_found') throw error;
      return false;
    }
  }

  /** Only an object that carries our own key is ours: under whatever public URL it was registered. */
  private async findOurs(remote: VisibleRemote, http: ServiceHttp, { resource, key }: SubscriptionRow): Promise<string[]> {
    const all = await remote.list(http, resource);
    return all.filter(({ callbackUrl }) => callbackUrl !== null && carriesKey(callbackUrl, key)).map(({ externalId }) => externalId);
  }

  private async remove({ row, http, triedBefore }: Step, remote: VisibleRemote): Promise<Change> {
    const ids = new Set(row.external_id === null ? [] : [row.external_id]);
    if (triedBefore && row.external_id === null) for (const id of await this.findOurs(remote, http, row)) ids.add(id);
    for (const id of ids) await remote.remove(http, row.resource, id, row.aux);
    return { status: 'removed', externalId: null, applied: null };
  }

  private async fail(row: SubscriptionRow, owner: string, error: ServiceError, call: CallContext): Promise<Settled> {
    const { transient } = error;
    const status = statusAfter(row, error);
    const reason = { code: error.kind, message: error.message };
    const again = this.clock.in(waitAfter(error, row.attempts));
    // What has ended by itself needs no further try.
    const nextAttemptAt = row.status === 'removing' && row.expires_at && row.expires_at < again ? row.expires_at : again;
    const changed = await this.rows.change(row, owner, (current) => ({ status, reason, nextAttemptAt, ...this.overtaken(row, current) }));
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

/** One step of one attempt, under the row's lease. */
type Step = { row: SubscriptionRow; owner: string; type: TriggerType; remote: RemoteApi; http: ServiceHttp; triedBefore: boolean };

function noAdapter(row: SubscriptionRow): ServiceError {
  const message = `No adapter for ${row.service}/${row.trigger_type} is installed, so the service cannot be asked. Install it, or delete with force.`;
  return new ServiceError('unavailable', message, { retryAfterMs: NO_ADAPTER_MS });
}

export function isSettled(row: SubscriptionRow): boolean {
  if (row.status === 'removed') return true;
  return row.status === 'active' && row.applied !== null && sameJson(row.applied, row.want) && row.applied_secret === row.secret_version;
}

function statusAfter(row: SubscriptionRow, error: ServiceError): SubscriptionRow['status'] {
  if (row.status === 'removing') return 'removing';
  if (error.kind === 'unauthorised') return 'auth_required';
  // What was found to be so at the service is so until it has changed.
  if (row.status === 'missing' || row.status === 'disabled') return row.status;
  // The one that it replaces does the work, and tells people when that is in danger.
  if (row.replaces_id !== null) return 'pending';
  if (error.transient) return row.external_id === null ? 'pending' : 'degraded';
  return 'degraded';
}
