import { randomBytes } from 'node:crypto';
import type { AdapterRegistry } from '@vane/adapters';
import { SECRET_OVERLAPS, subscriptionChanged, VaneError, type InputOf, type rotateSubscriptionSecret } from '@vane/contracts';
import type { Database, Vault } from '@vane/db';
import { newSecretOf, type TriggerType } from '@vane/kit';
import type { Bus, Clock, Logger } from '@vane/runtime';
import type { PoolClient } from 'pg';
import { triesAfresh, type Feeds } from './feeds.js';
import { isOpaque } from './opaque-steps.js';
import type { Replacements } from './replacements.js';
import { applyChange, type SubscriptionRow } from './subscription-rows.js';

export type Rotated = {
  subscription: SubscriptionRow;
  /** To be shown once where a person must enter it; null where Vane tells the service. */
  secret: string | null;
};

/**
 * Gives subscriptions new secrets. Both are committed before the service hears of the new one, so that ingress accepts
 * whichever it signs with; the settler tells the service, and with its confirmation the time of the old one begins to run.
 * At most two secrets are live: ingress stops to accept the old one by time alone, `wipeEnded` then forgets it.
 */
export class SecretRotation {
  constructor(
    private readonly database: Database,
    private readonly feeds: Feeds,
    private readonly replacements: Replacements,
    private readonly vault: Vault,
    private readonly adapters: AdapterRegistry,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Commits the new secret. @throws VaneError `not_found`, `conflict`, `invalid_config` */
  async begin(input: InputOf<typeof rotateSubscriptionSecret>): Promise<Rotated> {
    await this.feeds.prepare(input.workspace);
    const rotated = await this.database.transaction(async (tx) => {
      const row = await this.locked(tx, input.workspace, input.subscription);
      this.refuseUnready(row, input.overlap);
      const type = this.rotatable(row, input.secret);
      if (type.remote && isOpaque(type.remote)) return { subscription: await this.replaced(tx, row, type), secret: null };
      const secret = input.secret ?? newSecretOf(type, row.want, randomBytes);
      const [current] = await this.feeds.secrets(row);
      return { subscription: await this.write(tx, row, [secret, current!], type.remote !== undefined, input.overlap), secret: type.remote ? null : secret };
    });
    this.tell(rotated.subscription);
    return rotated;
  }

  private async locked(tx: PoolClient, workspace: string, id: string): Promise<SubscriptionRow> {
    const { rows } = await tx.query<{ feed_id: string }>('SELECT feed_id FROM subscription WHERE id = $1 AND workspace_id = $2', [id, workspace]);
    if (rows[0]) await this.feeds.lockById(tx, rows[0].feed_id);
    const row = rows[0] && (await this.feeds.lockSubscription(tx, workspace, id));
    if (!row) throw new VaneError('not_found', `There is no subscription ${id} in this workspace.`);
    return row;
  }

  /** Where nothing that is registered can be changed, a new object gets the new secret; the old ends with the old one. */
  private async replaced(tx: PoolClient, row: SubscriptionRow, type: TriggerType): Promise<SubscriptionRow> {
    const { made } = await this.replacements.beginLocked(tx, row, type);
    if (!made) throw new VaneError('conflict', 'This subscription is being replaced at this moment, and the new one has a new secret. Wait until it is active.');
    return made;
  }

  /** Forgets secrets whose time is over, in no order: one that fails is logged and holds up no other. Ingress does not accept them any more: being late does no harm. */
  async wipeEnded(limit: number): Promise<void> {
    const { rows } = await this.database.pool.query<{ id: string; workspace_id: string }>(
      'SELECT id, workspace_id FROM subscription WHERE old_secrets_until <= $1 ORDER BY random() LIMIT $2',
      [this.clock.now(), limit],
    );
    for (const { id, workspace_id: workspaceId } of rows) {
      try {
        await this.wipe(workspaceId, id);
      } catch (error) {
        this.logger.error({ err: error, subscriptionId: id, workspaceId }, 'an old secret whose time is over could not be forgotten');
      }
    }
  }

  /** Forgets the old secret of one subscription if its time is over. */
  async wipe(workspaceId: string, id: string): Promise<void> {
    await this.feeds.prepare(workspaceId);
    const wiped = await this.database.transaction(async (tx) => {
      const row = await this.feeds.lockSubscription(tx, workspaceId, id);
      if (!row?.old_secrets_until || row.old_secrets_until > this.clock.now()) return null;
      const [newest] = await this.feeds.secrets(row);
      return this.store(tx, row, [newest!], { secretVersion: row.secret_version, appliedSecret: row.applied_secret, overlapMs: null, until: null });
    });
    if (wiped) this.tell(wiped);
  }

  private refuseUnready(row: SubscriptionRow, overlap: keyof typeof SECRET_OVERLAPS): void {
    if (row.status === 'removing' || row.status === 'removed') throw new VaneError('conflict', 'This subscription is removed; nothing proves itself with its secret any more.');
    if (row.applied_secret === null) throw new VaneError('conflict', 'This subscription is not registered at the service yet. Wait until it is active.');
    if (row.applied_secret !== row.secret_version) {
      throw new VaneError('conflict', 'The service has not confirmed the last new secret yet, so it is not known which of the two it uses. Wait until it has.');
    }
    const until = row.old_secrets_until;
    if (overlap === 'now' || !until || until <= this.clock.now()) return;
    throw new VaneError(
      'conflict',
      `The secret before is still accepted until ${until.toISOString()}, and two at once is the most. Wait until then, or rotate with the overlap "now", which ends it at once.`,
      { retryAfterMs: until.getTime() - this.clock.now().getTime() },
    );
  }

  /** The type, if a secret of it can be replaced. */
  private rotatable(row: SubscriptionRow, given: string | undefined): TriggerType {
    const adapter = this.adapters.get(row.service);
    const type = adapter?.triggerTypes[row.trigger_type];
    if (!adapter || !type) throw new VaneError('conflict', `No adapter for ${row.service}/${row.trigger_type} is installed, so the service cannot be told.`);
    if (type.remote && given !== undefined) throw refused('secret', `Vane chooses the secret for ${adapter.label} itself; leave it out.`);
    if (type.remote && !isOpaque(type.remote) && !type.remote.canReplaceSecret) {
      throw refused('subscription', `${adapter.label} cannot change the secret of what is registered. Delete the triggers of this subscription and create them anew.`);
    }
    if (newSecretOf(type, row.want, randomBytes) === '') throw refused('subscription', 'This subscription verifies nothing, so it has no secret.');
    return type;
  }

  /** Where there is no API a person enters the secret at the sender, and the time of the old one runs from now. */
  private async write(tx: PoolClient, row: SubscriptionRow, secrets: string[], remote: boolean, overlap: keyof typeof SECRET_OVERLAPS): Promise<SubscriptionRow> {
    const overlapMs = SECRET_OVERLAPS[overlap];
    const secretVersion = row.secret_version + 1;
    const applied = remote ? { appliedSecret: row.applied_secret, until: null } : { appliedSecret: secretVersion, until: this.clock.in(overlapMs) };
    const written = await this.store(tx, row, secrets, { secretVersion, overlapMs, ...applied });
    return remote ? applyChange(tx, written, { attempts: triesAfresh(row), nextAttemptAt: this.clock.now() }, this.clock) : written;
  }

  private async store(
    tx: PoolClient, row: SubscriptionRow, secrets: string[],
    { secretVersion, appliedSecret, overlapMs, until }: { secretVersion: number; appliedSecret: number | null; overlapMs: number | null; until: Date | null },
  ): Promise<SubscriptionRow> {
    const where = { table: 'subscription', row: row.id, column: 'secrets_enc', workspaceId: row.workspace_id };
    const { rows } = await tx.query<SubscriptionRow>(
      `UPDATE subscription SET secrets_enc = $2, secret_version = $3, applied_secret = $4, secret_overlap_ms = $5, old_secrets_until = $6,
         version = version + 1 WHERE id = $1 RETURNING *`,
      [row.id, await this.vault.encrypt(JSON.stringify(secrets), where), secretVersion, appliedSecret, overlapMs, until],
    );
    return rows[0]!;
  }

  private tell(row: SubscriptionRow): void {
    this.bus.publishSignal(subscriptionChanged, { subscriptionId: row.id, key: row.key, version: row.version });
  }
}

const refused = (path: string, message: string): VaneError => new VaneError('invalid_config', message, { fields: [{ path, message: 'cannot be done here' }] });
