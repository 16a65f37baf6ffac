import type { AdapterRegistry } from '@vane/adapters';
import type { HealthView, PullView, SubscriptionView, TriggerView } from '@vane/contracts';
import type { Prisma } from '@vane/db';
import { schemeOf, type JsonObject } from '@vane/kit';
import { hookUrl } from '@vane/runtime';
import type { TriggerHealth } from './health/trigger-health.js';

const iso = (date: Date) => date.toISOString();
const isoOrNull = (date: Date | null) => date?.toISOString() ?? null;

const HISTORY_LINES = 50;

/** The one that works comes before one that is to take its place, else the newest is first. */
const WORKING_FIRST = [{ replacesId: { sort: 'asc', nulls: 'first' } }, { id: 'desc' }] as const;

/** What a trigger is read with: the subscription of its feed that works, or is to, and that one's history. */
export const withSubscription = {
  feed: { include: { pull: true, subscriptions: { where: { status: { not: 'removed' } }, orderBy: [...WORKING_FIRST], take: 1, include: historyOf() } } },
} as const satisfies Prisma.TriggerInclude;

export function historyOf() {
  return { history: { orderBy: { id: 'desc' }, take: HISTORY_LINES } } as const satisfies Prisma.SubscriptionInclude;
}

export type TriggerRow = Prisma.TriggerGetPayload<{ include: typeof withSubscription }>;
export type SubscriptionWithHistory = Prisma.SubscriptionGetPayload<{ include: ReturnType<typeof historyOf> }>;

/** Null when one secret alone is accepted. */
function rotationOf({ status, secretVersion, appliedSecret, oldSecretsUntil }: SubscriptionWithHistory): SubscriptionView['secretRotation'] {
  if (status === 'removing' || status === 'removed') return null;
  if (secretVersion > 1 && appliedSecret !== secretVersion) return { state: 'applying', oldAcceptedUntil: null };
  return oldSecretsUntil && { state: 'overlap', oldAcceptedUntil: iso(oldSecretsUntil) };
}

function pullOf(pull: NonNullable<TriggerRow['feed']['pull']>): PullView {
  const behind = pull.done !== pull.wanted;
  return {
    state: pull.failures > 0 ? 'failing' : pull.replaying ? 'replaying' : behind ? 'pulling' : 'waiting',
    reason: pull.reasonCode === null ? null : { code: pull.reasonCode, message: pull.reasonMessage ?? '' },
    lastPullAt: isoOrNull(pull.pulledAt),
    nextPullAt: isoOrNull(pull.dueAt),
    behind,
  };
}

/** Turns rows into what the API shows. */
export class TriggerViews {
  constructor(
    private readonly adapters: AdapterRegistry,
    private readonly publicUrl: string,
    private readonly health: TriggerHealth,
  ) {}

  async trigger(row: TriggerRow): Promise<TriggerView> {
    return (await this.triggers(row.workspaceId, [row]))[0]!;
  }

  /** Of one workspace. */
  async triggers(workspaceId: string, rows: TriggerRow[]): Promise<TriggerView[]> {
    const health = await this.health.of(workspaceId, rows);
    return rows.map((row) => this.view(row, health.get(row.id)!));
  }

  private view(row: TriggerRow, health: HealthView): TriggerView {
    const subscription = row.feed.subscriptions[0];
    return {
      id: row.id,
      name: row.name,
      service: row.service,
      type: row.type,
      connectionId: row.connectionId,
      config: row.config as JsonObject,
      summary: this.summary(row),
      runnableId: row.runnableId,
      status: row.status as TriggerView['status'],
      statusReason: row.statusCode === null ? null : { code: row.statusCode, message: row.statusMessage ?? '' },
      health,
      callbackUrl: subscription ? hookUrl(this.publicUrl, subscription.key) : '',
      subscription: subscription ? this.subscription(subscription) : null,
      resync: row.resync as TriggerView['resync'],
      onDrift: row.onDrift as TriggerView['onDrift'],
      expectEverySeconds: row.expectEverySeconds,
      filter: row.filter,
      mapping: row.mapping,
      pull: row.feed.pull && pullOf(row.feed.pull),
      createdAt: iso(row.createdAt),
      updatedAt: iso(row.updatedAt),
      version: row.version,
    };
  }

  subscription(row: SubscriptionWithHistory): SubscriptionView {
    const type = this.adapters.get(row.service)?.triggerTypes[row.triggerType];
    return {
      id: row.id,
      feedId: row.feedId,
      service: row.service,
      resource: row.resource,
      status: row.status as SubscriptionView['status'],
      since: iso(row.statusSince),
      reason: row.reasonCode === null ? null : { code: row.reasonCode, message: row.reasonMessage ?? '' },
      externalId: row.externalId,
      verified: type ? schemeOf(type, row.want as JsonObject).kind !== 'none' : false,
      attempts: row.attempts,
      nextAttemptAt: isoOrNull(row.nextAttemptAt),
      expiresAt: isoOrNull(row.expiresAt),
      renewAt: isoOrNull(row.renewAt),
      replaces: row.replacesId,
      checkedAt: isoOrNull(row.checkedAt),
      drift: row.drift as SubscriptionView['drift'],
      secretRotation: rotationOf(row),
      tombstone: row.status === 'removing',
      history: [...row.history].sort((a, b) => b.at.getTime() - a.at.getTime() || Number(b.id - a.id)).map((line) => ({
        at: iso(line.at),
        status: line.status,
        reason: line.reasonCode === null ? null : { code: line.reasonCode, message: line.reasonMessage ?? '' },
      })),
    };
  }

  /** An adapter that was taken out, or changed its config since, must not make a trigger unreadable. */
  private summary(row: TriggerRow): string {
    try {
      return this.adapters.get(row.service)?.triggerTypes[row.type]?.summary(row.config as never) ?? row.type;
    } catch {
      return row.type;
    }
  }
}
