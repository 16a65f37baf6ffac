import { ServiceError, type OpaqueRemote, type Registered, type RemoteApi, type ServiceHttp, type TriggerType } from '@vane/kit';
import type { Clock } from '@vane/runtime';
import { sameJson } from './feeds.js';
import type { Replacements } from './replacements.js';
import { isLeaving, LeaseLost, type Change, type SubscriptionRow, type SubscriptionRows } from './subscription-rows.js';

/** `change`: to be committed; `goOn`: another row is to be settled instead, this one is committed. */
export type OpaqueStep = { change: Change } | { registered: Registered } | { goOn: SubscriptionRow };

export const isOpaque = (remote: RemoteApi): remote is OpaqueRemote => remote.list === undefined;

/**
 * One step at a service that shows nothing and changes nothing. The object has the id of its row, which is committed as
 * `external_id` before the call: a row that has it and was never `registered_at` may be there or not. It is given up for a
 * fresh one. What the service definitely refused, and what was not sent, is not there.
 */
export class OpaqueSteps {
  constructor(
    private readonly rows: SubscriptionRows,
    private readonly replacements: Replacements,
    private readonly clock: Clock,
  ) {}

  /** For a row that is not on its way out. Throws LeaseLost, or as the service does. */
  async step(row: SubscriptionRow, owner: string, type: TriggerType, remote: OpaqueRemote, register: () => Promise<Registered>): Promise<OpaqueStep> {
    if (row.external_id === null) return { registered: await this.register(row, owner, register) };
    if (row.registered_at === null) return { goOn: held(await this.replacements.giveUp(row, owner, type, remote)) };
    if (this.fits(row) && !(await this.rows.isBeingReplaced(row))) return { change: { status: 'active' } };
    const begun = held(await this.replacements.begin(row, owner, type));
    return begun.made ? { goOn: begun.made } : { change: { status: begun.row.status, reason: reasonOf(begun.row) } };
  }

  private async register(row: SubscriptionRow, owner: string, register: () => Promise<Registered>): Promise<Registered> {
    const marked = await this.rows.change(row, owner, (current) => (isLeaving(current) ? {} : { externalId: row.id }));
    if (!marked?.external_id) throw new LeaseLost();
    try {
      return await register();
    } catch (error) {
      if (isNotThere(error)) await this.rows.change(row, owner, { externalId: null });
      throw error;
    }
  }

  /** Whether what is registered is what is wanted, with time left. */
  private fits({ applied, want, applied_secret: confirmed, secret_version: newest, alarm_at: alarmAt }: SubscriptionRow): boolean {
    return applied !== null && sameJson(applied, want) && confirmed === newest && (alarmAt === null || alarmAt > this.clock.now());
  }

  /** Removes what is or may be there, or says what that waits for. */
  async remove(row: SubscriptionRow, remote: OpaqueRemote, http: ServiceHttp): Promise<Change> {
    const aux = await this.rows.auxOf(row);
    if (remote.removeNeedsAux && !aux) {
      const message = 'What its registration may have left at the service cannot be removed before another one of the same resource is registered. It ends there by itself.';
      const expiresAt = row.expires_at ?? (remote.longestLifetimeMs === undefined ? null : this.clock.in(remote.longestLifetimeMs));
      return { status: 'removing', reason: { code: 'aux_unknown', message }, expiresAt, nextAttemptAt: expiresAt };
    }
    await remote.remove(http, row.resource, row.external_id!, aux);
    return { status: 'removed', externalId: null, applied: null };
  }
}

/** Removals that need no call: nothing is there, or it has ended by itself. Undefined where the service has to be asked. */
export function removedByItself(row: SubscriptionRow, remote: RemoteApi, now: Date): Change | undefined {
  if (row.status !== 'removing') return undefined;
  if (row.expires_at && row.expires_at <= now) {
    const reason = { code: 'expired', message: `The service has ended it by itself, at ${row.expires_at.toISOString()} at the latest.` };
    return { status: 'removed', externalId: null, applied: null, reason };
  }
  // Where objects can be looked for, a try may have left one that nobody has heard of.
  const nothing = row.external_id === null && (isOpaque(remote) || row.attempts === 0);
  return nothing ? { status: 'removed', applied: null, reason: null } : undefined;
}

/** A definite no, or nothing was sent. A `conflict` says that the id is taken, so it is no proof. */
function isNotThere(error: unknown): boolean {
  if (!(error instanceof ServiceError)) return error instanceof LeaseLost;
  return error.details.unsent === true || error.kind === 'rate_limited' || (!error.transient && error.kind !== 'conflict');
}

function held<T>(value: T | null): T {
  if (value === null) throw new LeaseLost();
  return value;
}

const reasonOf = ({ reason_code: code, reason_message: message }: SubscriptionRow) => (code === null ? null : { code, message: message ?? '' });
