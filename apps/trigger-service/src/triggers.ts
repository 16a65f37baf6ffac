import { creationKeyOf, VaneError, type CallContext, type createTrigger, type deleteTrigger, type InputOf, type OutputOf, type ProviderView, type updateTrigger } from '@vane/contracts';
import { isUniqueViolation, newId, type Database } from '@vane/db';
import { schemeOf, type JsonObject, type TriggerType } from '@vane/kit';
import { hookUrl, type Clock, type Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { toServiceError, toVaneError, type Connections } from './connections.js';
import { triesAfresh, unionOf, type Feeds } from './sagas/feeds.js';
import type { Settled, Settler } from './sagas/settler.js';
import { applyChange, type SubscriptionRow } from './sagas/subscription-rows.js';
import type { Planned, TriggerPlans } from './trigger-plans.js';
import { withSubscription, type TriggerRow, type TriggerViews } from './trigger-views.js';

/** The caller waits this long for the service; after that the answer is 202 and the saga goes on. */
const WAIT_MS = 10_000;
const BUSY_WAIT_MS = 250;
/** A move that a crash cuts off between its two commits is noticed after this. */
const MOVE_MS = 60_000;

type CreateInput = InputOf<typeof createTrigger>;
type UpdateInput = InputOf<typeof updateTrigger>;

/** Triggers and the sagas behind them. What is asked is committed first; the service is called outside any transaction. */
export class Triggers {
  constructor(
    private readonly database: Database,
    private readonly plans: TriggerPlans,
    private readonly feeds: Feeds,
    private readonly settler: Settler,
    private readonly connections: Connections,
    private readonly views: TriggerViews,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly publicUrl: string,
  ) {}

  async create(input: CreateInput, call: CallContext): Promise<OutputOf<typeof createTrigger>> {
    const repeated = await this.findCreated(input.workspace, call);
    if (repeated) return { ...this.views.trigger(repeated), secret: null };
    const id = newId('trigger', this.clock.now());
    const planned = this.plans.plan(input.service, input.type, input.config as JsonObject, id);
    if (input.secret !== undefined && planned.type.remote) {
      throw new VaneError('invalid_config', `Vane chooses the secret for ${planned.adapter.label} itself; leave it out.`, {
        fields: [{ path: 'secret', message: 'must be left out' }],
      });
    }
    await this.plans.runnable(input.workspace, input.runnableId);
    const connectionId = await this.plans.connection(planned, input.workspace, input.connectionId, call);
    await this.feeds.prepare(input.workspace);
    const inserted = await this.insertOnce(id, input, planned, connectionId, call);
    if (!inserted) return this.create(input, call);
    const { subscription, secret } = inserted;
    const settled = await this.settleWithin(subscription, call);
    if (settled?.outcome === 'refused') {
      await this.undoCreate(input.workspace, id, subscription.feed_id, planned, call);
      throw toVaneError(settled.error);
    }
    const view = this.views.trigger(await this.find(input.workspace, id));
    return { ...view, secret: planned.type.remote || input.secret !== undefined ? null : secret };
  }

  /** What an earlier delivery of the same call made, when its answer got lost on the way. */
  private async findCreated(workspace: string, call: CallContext): Promise<TriggerRow | null> {
    const creationKey = creationKeyOf(call);
    if (creationKey === null) return null;
    return (await this.database.forWorkspace(workspace).trigger.findFirst({ where: { creationKey }, include: withSubscription })) as TriggerRow | null;
  }

  async find(workspace: string, id: string): Promise<TriggerRow> {
    const row = await this.database.forWorkspace(workspace).trigger.findFirst({ where: { id }, include: withSubscription });
    if (!row) throw new VaneError('not_found', `There is no trigger ${id} in this workspace.`);
    return row as TriggerRow;
  }

  /** Changes config, runnable or name. What the service refuses is undone; what it does not answer goes on as 202. */
  async update(input: UpdateInput, call: CallContext): Promise<OutputOf<typeof updateTrigger>> {
    const before = await this.find(input.workspace, input.trigger);
    if (before.version !== input.ifMatch) throw changed(before.version);
    if (input.runnableId !== undefined) await this.plans.runnable(input.workspace, input.runnableId);
    const planned = this.plans.plan(before.service, before.type, (input.config ?? before.config) as JsonObject, before.id);
    refuseOtherSecret(planned.type, before.want as JsonObject, planned.plan.want);
    const move = planned.plan.resource !== before.feed.resource;
    await this.feeds.prepare(before.workspaceId);
    const target = await this.database.transaction(async (tx) => {
      const subscription = move ? await this.prepareMove(tx, before, planned) : await this.rewant(tx, before, input, planned);
      if (!move) await this.writeFields(tx, before, input, planned, before.feedId);
      return subscription;
    });
    const settled = target ? await this.settleWithin(target, call, move ? MOVE_MS : undefined) : undefined;
    if (settled?.outcome === 'refused') {
      await this.undoUpdate(before, planned, target!, move, call);
      throw toVaneError(settled.error);
    }
    if (move) await this.finishMove(before, input, planned, target!, call);
    return this.views.trigger(await this.find(input.workspace, input.trigger));
  }

  async delete(input: InputOf<typeof deleteTrigger>, call: CallContext): Promise<OutputOf<typeof deleteTrigger>> {
    const before = await this.find(input.workspace, input.trigger);
    const { type } = this.plans.type(before.service, before.type);
    const subscription = await this.database.transaction(async (tx) => {
      await this.feeds.lockById(tx, before.feedId);
      await tx.query('DELETE FROM trigger WHERE id = $1 AND workspace_id = $2', [before.id, input.workspace]);
      const left = await this.feeds.recompute(tx, before.feedId, type);
      if (!left || left.status !== 'removing' || !input.force) return left;
      const reason = { code: 'forced', message: 'Removed here without asking the service; its hook may still be there.' };
      return applyChange(tx, left, { status: 'removed', reason, nextAttemptAt: null }, this.clock);
    });
    if (subscription && subscription.status !== 'removed') await this.settleWithin(subscription, call);
    else if (subscription) await this.settler.settle(subscription.id, call);
    const shown = subscription
      ? await this.database.forWorkspace(input.workspace).subscription.findFirst({ where: { id: subscription.id }, include: { history: { orderBy: { id: 'desc' }, take: 50 } } })
      : null;
    return { ok: true, subscription: shown ? this.views.subscription(shown) : null };
  }

  async setStatus(workspace: string, id: string, status: 'enabled' | 'paused'): Promise<TriggerRow> {
    const row = await this.find(workspace, id);
    if (status === 'enabled' && row.runnableId === null) {
      throw new VaneError('conflict', 'The runnable of this trigger was deleted. Give the trigger another runnable first.');
    }
    if (row.status !== status) {
      await this.database.forWorkspace(workspace).trigger.updateMany({
        where: { id },
        data: { status, statusCode: null, statusMessage: null, updatedAt: this.clock.now(), version: { increment: 1 } },
      });
    }
    return this.find(workspace, id);
  }

  /** The service's own view of our object; what goes wrong while asking is part of the answer. */
  async providerView(row: TriggerRow, call: CallContext): Promise<ProviderView> {
    const nothing = { callbackUrl: null, active: null, fields: null };
    const subscription = row.feed.subscriptions[0];
    const { adapter, type } = this.plans.type(row.service, row.type);
    if (!type.remote || !subscription) {
      return { state: 'not_applicable', message: `${adapter.label} keeps nothing of ours: the sender was set up by hand.`, ...nothing };
    }
    if (subscription.externalId === null) return { state: 'missing', message: 'Nothing is registered there yet.', ...nothing };
    try {
      const http = await this.connections.http(adapter, row.workspaceId, row.connectionId ?? '', call);
      const remote = await type.remote.get(http, subscription.resource, subscription.externalId);
      if (!remote) return { state: 'missing', message: `${adapter.label} does not have it any more.`, ...nothing };
      const ours = remote.callbackUrl === hookUrl(this.publicUrl, subscription.key);
      const message = ours ? null : 'It points at another address than ours.';
      return { state: 'present', message, callbackUrl: ours ? remote.callbackUrl : null, active: remote.active, fields: remote.fields };
    } catch (error) {
      return { state: 'unknown', message: toServiceError(error).message, ...nothing };
    }
  }

  private async insert(
    tx: PoolClient,
    id: string,
    input: CreateInput,
    planned: Planned,
    connectionId: string | null,
    creationKey: string | null,
  ) {
    const target = { workspaceId: input.workspace, service: input.service, triggerType: input.type, connectionId, resource: planned.plan.resource };
    const feedId = await this.feeds.lock(tx, target);
    const now = this.clock.now();
    await tx.query(
      `INSERT INTO trigger (id, workspace_id, feed_id, name, service, type, connection_id, config, want, runnable_id, status, version, created_at, updated_at, creation_key)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12, $13)`,
      [
        id, input.workspace, feedId, input.name, input.service, input.type, connectionId, JSON.stringify(planned.config),
        JSON.stringify(planned.plan.want), input.runnableId, input.paused ? 'paused' : 'enabled', now, creationKey,
      ],
    );
    const live = await this.feeds.live(tx, feedId);
    if (live) return { subscription: (await this.feeds.recompute(tx, feedId, planned.type)) ?? live, secret: '' };
    return this.feeds.insertPending(tx, { ...target, feedId, type: planned.type, want: planned.plan.want, secret: input.secret });
  }

  /** Null when the same call, delivered twice at once, was faster. */
  private async insertOnce(id: string, input: CreateInput, planned: Planned, connectionId: string | null, call: CallContext) {
    try {
      return await this.database.transaction((tx) => this.insert(tx, id, input, planned, connectionId, creationKeyOf(call)));
    } catch (error) {
      if (isUniqueViolation(error) && (await this.findCreated(input.workspace, call))) return null;
      throw error;
    }
  }

  /** Null when the service has not answered in time: the saga goes on without us. */
  private async settleWithin(subscription: SubscriptionRow, call: CallContext, lookAgainMs?: number): Promise<Settled | null> {
    let timer: NodeJS.Timeout | undefined;
    let waiting = true;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), WAIT_MS);
    });
    const work = async (): Promise<Settled | null> => {
      for (;;) {
        const settled = await this.settler.settle(subscription.id, call, lookAgainMs);
        if (settled.outcome !== 'busy' || !waiting) return settled;
        // Another request or the sweeper is at it; what it does not finish for us, we do.
        await new Promise((resolve) => setTimeout(resolve, BUSY_WAIT_MS));
      }
    };
    const logged = work().catch((error: unknown) => {
      this.logger.error({ err: error, subscriptionId: subscription.id, correlationId: call.correlationId }, 'settling failed, the sweeper takes over');
      return null;
    });
    try {
      return await Promise.race([logged, late]);
    } finally {
      waiting = false;
      clearTimeout(timer);
    }
  }

  private async undoCreate(workspace: string, id: string, feedId: string, planned: Planned, call: CallContext): Promise<void> {
    const left = await this.database.transaction(async (tx) => {
      await this.feeds.lockById(tx, feedId);
      await tx.query('DELETE FROM trigger WHERE id = $1 AND workspace_id = $2', [id, workspace]);
      return this.restore(tx, feedId, planned);
    });
    if (left) await this.settler.settle(left.id, call);
  }

  /** Back to what the remaining triggers want. What the service refused to take was never there, so nothing is owed. */
  private async restore(tx: PoolClient, feedId: string, planned: Planned): Promise<SubscriptionRow | null> {
    const left = await this.feeds.recompute(tx, feedId, planned.type);
    if (!left) return null;
    const nothingThere = left.external_id === null && left.applied === null;
    if (left.status === 'removing' && nothingThere) {
      return applyChange(tx, left, { status: 'removed', nextAttemptAt: null, reason: { code: left.reason_code ?? 'refused', message: left.reason_message ?? '' } }, this.clock);
    }
    if (left.applied !== null && JSON.stringify(left.applied) === JSON.stringify(left.want)) {
      return applyChange(tx, left, { status: 'active', reason: null, attempts: 0, nextAttemptAt: null }, this.clock);
    }
    return left;
  }

  private async rewant(tx: PoolClient, before: TriggerRow, input: UpdateInput, planned: Planned): Promise<SubscriptionRow | null> {
    if (input.config === undefined) return null;
    await this.feeds.lockById(tx, before.feedId);
    await tx.query('UPDATE trigger SET want = $2 WHERE id = $1', [before.id, JSON.stringify(planned.plan.want)]);
    return this.feeds.recompute(tx, before.feedId, planned.type);
  }

  private async writeFields(tx: PoolClient, before: TriggerRow, input: UpdateInput, planned: Planned, feedId: string): Promise<void> {
    const revived = input.runnableId !== undefined && before.status === 'disabled' && before.statusCode === 'runnable_deleted';
    const { rowCount } = await tx.query(
      `UPDATE trigger SET name = $3, config = $4, want = $5, runnable_id = $6, feed_id = $7, updated_at = $8, version = version + 1,
         status = CASE WHEN $10 THEN 'enabled' ELSE status END,
         status_code = CASE WHEN $10 THEN NULL ELSE status_code END, status_message = CASE WHEN $10 THEN NULL ELSE status_message END
       WHERE id = $1 AND workspace_id = $2 AND version = $9`,
      [
        before.id, before.workspaceId, input.name ?? before.name, JSON.stringify(planned.config), JSON.stringify(planned.plan.want),
        input.runnableId ?? before.runnableId, feedId, this.clock.now(), before.version, revived,
      ],
    );
    if (rowCount === 0) throw changed();
  }

  /** Another resource is another feed: its subscription is there before the old one goes. */
  private async prepareMove(tx: PoolClient, before: TriggerRow, planned: Planned): Promise<SubscriptionRow> {
    const target = {
      workspaceId: before.workspaceId, service: before.service, triggerType: before.type,
      connectionId: before.connectionId, resource: planned.plan.resource,
    };
    const feedId = await this.feeds.lock(tx, target);
    const live = await this.feeds.live(tx, feedId);
    if (!live) return (await this.feeds.insertPending(tx, { ...target, feedId, type: planned.type, want: planned.plan.want })).subscription;
    const want = unionOf(planned.type, [live.want, planned.plan.want]);
    return applyChange(tx, live, { want, attempts: triesAfresh(live), nextAttemptAt: this.clock.now() }, this.clock);
  }

  private async finishMove(before: TriggerRow, input: UpdateInput, planned: Planned, target: SubscriptionRow, call: CallContext): Promise<void> {
    const old = await this.database.transaction(async (tx) => {
      for (const feedId of [before.feedId, target.feed_id].sort()) await this.feeds.lockById(tx, feedId);
      await this.writeFields(tx, before, input, planned, target.feed_id);
      await this.feeds.recompute(tx, target.feed_id, planned.type);
      return this.feeds.recompute(tx, before.feedId, planned.type);
    });
    if (old) await this.settleWithin(old, call);
  }

  private async undoUpdate(before: TriggerRow, planned: Planned, target: SubscriptionRow, move: boolean, call: CallContext): Promise<void> {
    const left = await this.database.transaction(async (tx) => {
      await this.feeds.lockById(tx, target.feed_id);
      if (!move) {
        await tx.query('UPDATE trigger SET name = $2, config = $3, want = $4, runnable_id = $5, version = version + 1 WHERE id = $1', [
          before.id, before.name, JSON.stringify(before.config), JSON.stringify(before.want), before.runnableId,
        ]);
      }
      return this.restore(tx, target.feed_id, planned);
    });
    if (left) await this.settler.settle(left.id, call);
  }
}

function changed(current?: number): VaneError {
  const now = current === undefined ? '' : ` It is at version ${current} now.`;
  return new VaneError('precondition_failed', `The trigger was changed since you read it.${now} Read it again and repeat your change.`);
}

/** A secret is made for one scheme; under another it would not fit, or there would be none. */
function refuseOtherSecret(type: TriggerType, before: JsonObject, after: JsonObject): void {
  const [old, wanted] = [schemeOf(type, before), schemeOf(type, after)];
  const keyOf = (scheme: typeof old) => (scheme.kind === 'hmac' ? JSON.stringify(scheme.key) : '');
  if (old.kind === wanted.kind && keyOf(old) === keyOf(wanted)) return;
  throw new VaneError('invalid_config', 'The verification scheme cannot be changed, because the secret would not fit. Make a new trigger.', {
    fields: [{ path: 'config', message: 'changes the verification scheme' }],
  });
}
