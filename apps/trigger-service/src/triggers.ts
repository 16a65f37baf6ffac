import {
  VaneError, type CallContext, type createTrigger, type deleteTrigger, type forgetSubscription, type InputOf, type OutputOf, type rotateSubscriptionSecret,
  type SubscriptionView, type updateTrigger,
} from '@vane/contracts';
import { isUniqueViolation, newId, type Database } from '@vane/db';
import { schemeOf, type JsonObject, type TriggerType } from '@vane/kit';
import type { Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { toVaneError, type Connections } from './connections.js';
import { requireReadable } from './expressions/trigger-expressions.js';
import { CREATION_KEY_MS, creationKeyOf } from './creation-key.js';
import { sameJson, type Feeds } from './sagas/feeds.js';
import type { Moves } from './sagas/moves.js';
import type { SecretRotation } from './sagas/secret-rotation.js';
import type { Settled, Settler } from './sagas/settler.js';
import { applyChange, type SubscriptionRow } from './sagas/subscription-rows.js';
import type { Planned, TriggerPlans } from './trigger-plans.js';
import { changed, type TriggerRows } from './trigger-rows.js';
import { historyOf, withSubscription, type SubscriptionWithHistory, type TriggerRow, type TriggerViews } from './trigger-views.js';

/** The caller waits this long for the service; after that the answer is 202 and the saga goes on. */
const WAIT_MS = 10_000;
const BUSY_WAIT_MS = 250;

type CreateInput = InputOf<typeof createTrigger>;
type UpdateInput = InputOf<typeof updateTrigger>;

/** Triggers and the sagas behind them. What is asked is committed first; the service is called outside any transaction. */
export class Triggers {
  constructor(
    private readonly database: Database,
    private readonly plans: TriggerPlans,
    private readonly feeds: Feeds,
    private readonly rows: TriggerRows,
    private readonly settler: Settler,
    private readonly secrets: SecretRotation,
    private readonly moves: Moves,
    private readonly connections: Connections,
    private readonly views: TriggerViews,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async create(input: CreateInput, call: CallContext): Promise<OutputOf<typeof createTrigger>> {
    requireReadable(input);
    const creationKey = await creationKeyOf(call, input, (hash) => this.feeds.digest(hash, input.workspace));
    const repeated = await this.findCreated(input.workspace, creationKey);
    if (repeated) return { ...(await this.views.trigger(repeated)), secret: null };
    const id = newId('trigger', this.clock.now());
    const planned = this.plans.plan(input.service, input.type, input.config as JsonObject, id);
    if (input.secret !== undefined && planned.type.remote) {
      throw new VaneError('invalid_config', `Vane chooses the secret for ${planned.adapter.label} itself; leave it out.`, {
        fields: [{ path: 'secret', message: 'must be left out' }],
      });
    }
    const connectionId = await this.plans.connection(planned, input.workspace, input.connectionId, call);
    await this.feeds.prepare(input.workspace);
    const inserted = await this.insertOnce(id, input, planned, connectionId, creationKey);
    if (!inserted) return this.create(input, call);
    const settled = await this.settleWithin(inserted.subscription, call);
    if (settled?.outcome === 'refused') {
      await this.undoCreate(input.workspace, id, inserted.subscription.feed_id, planned, call);
      throw toVaneError(settled.error);
    }
    const view = await this.views.trigger(await this.find(input.workspace, id));
    return { ...view, secret: planned.type.remote || input.secret !== undefined ? null : inserted.secret || null };
  }

  /** What an earlier delivery of the same call made, when its answer got lost on the way. */
  private async findCreated(workspace: string, creationKey: string | null): Promise<TriggerRow | null> {
    if (creationKey === null) return null;
    const { trigger } = this.database.forWorkspace(workspace);
    const made = (await trigger.findFirst({ where: { creationKey }, include: withSubscription })) as TriggerRow | null;
    if (!made || made.createdAt > this.clock.in(-CREATION_KEY_MS)) return made;
    await trigger.updateMany({ where: { id: made.id }, data: { creationKey: null } });
    return null;
  }

  async find(workspace: string, id: string): Promise<TriggerRow> {
    const row = await this.database.forWorkspace(workspace).trigger.findFirst({ where: { id }, include: withSubscription });
    if (!row) throw new VaneError('not_found', `There is no trigger ${id} in this workspace.`);
    return row as TriggerRow;
  }

  /** Changes config, connection, runnable or name. What the service refuses is undone; what it does not answer goes on as 202. */
  async update(input: UpdateInput, call: CallContext): Promise<OutputOf<typeof updateTrigger>> {
    const before = await this.find(input.workspace, input.trigger);
    if (before.version !== input.ifMatch) throw changed(before.version);
    requireReadable(input);
    const planned = this.plans.plan(before.service, before.type, (input.config ?? before.config) as JsonObject, before.id);
    const connectionId = await this.plans.change(before, planned, input, call);
    refuseOtherSecret(planned.type, before.want as JsonObject, planned.plan.want);
    const move = planned.plan.resource !== before.feed.resource || connectionId !== before.connectionId;
    await this.feeds.prepare(before.workspaceId);
    const target = await this.database.transaction((tx) =>
      move ? this.moves.start(tx, before, input, planned, connectionId) : this.change(tx, before, input, planned),
    );
    const settled = target ? await this.settleWithin(target, call) : undefined;
    if (settled?.outcome === 'refused') {
      await this.undoUpdate(before, planned, target!, call);
      throw toVaneError(settled.error);
    }
    if (move) for (const left of await this.moves.finish(1, before.id)) await this.settleWithin(left, call);
    return this.views.trigger(await this.find(input.workspace, input.trigger));
  }

  async delete(input: InputOf<typeof deleteTrigger>, call: CallContext): Promise<OutputOf<typeof deleteTrigger>> {
    const before = await this.find(input.workspace, input.trigger);
    const type = this.plans.installed(before.service, before.type);
    const subscription = await this.database.transaction(async (tx) => {
      await this.feeds.lockAll(tx, [before.feedId, before.oldFeedId]);
      await this.rows.delete(tx, input.workspace, before.id);
      if (before.oldFeedId !== null) await this.feeds.recompute(tx, before.oldFeedId, type);
      const { subscription: left } = await this.feeds.recompute(tx, before.feedId, type);
      if (left?.status !== 'removing' || !input.force) return left;
      return this.feeds.giveUpAll(tx, left);
    });
    if (subscription) await this.settleWithin(subscription, call);
    return { ok: true, subscription: subscription ? await this.subscriptionView(input.workspace, subscription.id) : null };
  }

  /** Gives up a removal that is still owed at a service that is gone for good. */
  async forget(input: InputOf<typeof forgetSubscription>, call: CallContext): Promise<SubscriptionView> {
    const given = await this.database.transaction(async (tx) => {
      const row = await this.feeds.lockSubscription(tx, input.workspace, input.subscription);
      if (!row) throw new VaneError('not_found', `There is no subscription ${input.subscription} in this workspace.`);
      if (row.status !== 'removing') {
        throw new VaneError('conflict', 'Only a subscription whose removal is still owed can be given up. Delete its triggers first.');
      }
      return this.feeds.giveUp(tx, row);
    });
    await this.settler.settle(given.id, call);
    return this.subscriptionView(input.workspace, given.id);
  }

  /** The new secret is committed before the service hears of it; what it does not confirm in time goes on as 202. */
  async rotateSecret(input: InputOf<typeof rotateSubscriptionSecret>, call: CallContext): Promise<OutputOf<typeof rotateSubscriptionSecret>> {
    const used = await this.database.forWorkspace(input.workspace).subscription.findFirst({ where: { id: input.subscription }, select: { connectionId: true } });
    // The service is told by the account behind the connection, and what it sends proves itself with this secret.
    if (used?.connectionId) await this.connections.own(input.workspace, used.connectionId, call);
    const { subscription, secret } = await this.secrets.begin(input);
    await this.settleWithin(subscription, call);
    await this.secrets.wipe(input.workspace, subscription.id);
    return { ...(await this.subscriptionView(input.workspace, subscription.id)), secret };
  }

  private async subscriptionView(workspace: string, id: string): Promise<SubscriptionView> {
    const row = await this.database.forWorkspace(workspace).subscription.findFirst({ where: { id }, include: historyOf() });
    return this.views.subscription(row as SubscriptionWithHistory);
  }

  async setStatus(workspace: string, id: string, status: 'enabled' | 'paused'): Promise<TriggerRow> {
    const row = await this.find(workspace, id);
    if (status === 'enabled' && row.runnableId === null) {
      throw new VaneError('conflict', 'The runnable of this trigger was deleted. Give the trigger another runnable first.');
    }
    if (row.status !== status) {
      await this.database.forWorkspace(workspace).trigger.updateMany({
        // A runnable that is deleted at this moment disables the trigger, and that stands.
        where: status === 'enabled' ? { id, runnableId: { not: null } } : { id },
        data: {
          status, statusCode: null, statusMessage: null, updatedAt: this.clock.now(), version: { increment: 1 },
          silenceAt: status === 'enabled' ? this.clock.now() : null, silenceAskedAt: null, silentSince: null,
        },
      });
    }
    return this.find(workspace, id);
  }

  /** Null when the same call, delivered twice at once, was faster. */
  private async insertOnce(id: string, input: CreateInput, planned: Planned, connectionId: string | null, creationKey: string | null) {
    const { resource } = planned.plan;
    const target = { workspaceId: input.workspace, service: input.service, triggerType: input.type, connectionId, resource };
    try {
      return await this.database.transaction(async (tx) => {
        const feedId = await this.feeds.lock(tx, target);
        await this.rows.insert(tx, { id, feedId, connectionId, creationKey, planned }, input);
        const { subscription, secret } = await this.feeds.recompute(tx, feedId, planned.type, input.secret);
        return { subscription: subscription!, secret };
      });
    } catch (error) {
      if (isUniqueViolation(error) && (await this.findCreated(input.workspace, creationKey))) return null;
      throw error;
    }
  }

  /** Null when the service has not answered in time: the saga goes on without us. */
  private async settleWithin(subscription: SubscriptionRow, call: CallContext): Promise<Settled | null> {
    let timer: NodeJS.Timeout | undefined;
    let waiting = true;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), WAIT_MS);
    });
    const work = async (): Promise<Settled | null> => {
      for (;;) {
        const settled = await this.settler.settle(subscription.id, call);
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
      await this.rows.delete(tx, workspace, id);
      return this.restore(tx, feedId, planned);
    });
    if (left) await this.settler.settle(left.id, call);
  }

  /** Back to what the remaining triggers want. What the service refused at the first try was never there: nothing is owed. */
  private async restore(tx: PoolClient, feedId: string, planned: Planned): Promise<SubscriptionRow | null> {
    const { subscription: left } = await this.feeds.recompute(tx, feedId, planned.type);
    if (!left) return null;
    const reason = { code: left.reason_code ?? 'refused', message: left.reason_message ?? '' };
    const nothingThere = left.external_id === null && left.applied === null && left.attempts <= 1;
    if (left.status === 'removing' && nothingThere) {
      return applyChange(tx, left, { status: 'removed', nextAttemptAt: null, reason }, this.clock);
    }
    if (left.applied !== null && left.status !== 'removing' && left.status !== 'renewing' && sameJson(left.applied, left.want)) {
      const nextAttemptAt = left.applied_secret === left.secret_version ? null : this.clock.now();
      return applyChange(tx, left, { status: 'active', reason: null, attempts: 0, nextAttemptAt }, this.clock);
    }
    return left;
  }

  /** Writes a change that stays on its feed; returns the subscription if the service has to hear of it. */
  private async change(tx: PoolClient, before: TriggerRow, input: UpdateInput, planned: Planned): Promise<SubscriptionRow | null> {
    await this.feeds.lockById(tx, before.feedId);
    await this.rows.update(tx, before, input, planned);
    if (input.config === undefined) return null;
    return (await this.feeds.recompute(tx, before.feedId, planned.type)).subscription;
  }

  private async undoUpdate(before: TriggerRow, planned: Planned, target: SubscriptionRow, call: CallContext): Promise<void> {
    const left = await this.database.transaction(async (tx) => {
      await this.feeds.lockAll(tx, [target.feed_id, before.feedId]);
      await this.rows.restore(tx, before);
      // What a given up move would have left is wanted again.
      if (target.feed_id !== before.feedId) await this.feeds.recompute(tx, before.feedId, planned.type);
      return this.restore(tx, target.feed_id, planned);
    });
    if (left) await this.settler.settle(left.id, call);
  }
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
