import { Injectable } from '@nestjs/common';
import type { Actor } from '@vane/contracts';
import { Database, firstIdAt, newId } from '@vane/db';
import { Clock } from '@vane/runtime';
import { whileReachable } from '../reachable.js';
import { deleteInBatches } from '../retention.js';
import { documentOf, storable } from './document.js';

const DAY_MS = 86_400_000;

/** What is known of a mutation before it is made. Secrets are masked already. */
export type Intent = {
  workspaceId: string | null;
  actor: Actor;
  operation: string;
  targetId: string | null;
  input?: unknown;
  before?: unknown;
  correlationId: string;
  address: string;
};

/** How a mutation ended; what it says of workspace, actor and target counts where the intent could not tell. */
export type Ending = {
  /** `ok`, or the code of an error. */
  outcome: string;
  status: number;
  after?: unknown;
  workspaceId?: string | null;
  actor?: Actor;
  targetId?: string | null;
};

/** A pool, or the connection of a transaction. */
type Queries = Pick<Database['pool'], 'query'>;

/** Rows of `audit_entry`: one for every mutation, there before it is made and completed after it. */
@Injectable()
export class AuditTrail {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Notes what is about to be done, and returns the entry's id. Throws `unavailable` when it cannot be noted. */
  async begin(intent: Intent, queries: Queries = this.database.pool): Promise<string> {
    const at = this.clock.now();
    const id = newId('audit', at);
    const { actor } = intent;
    await whileReachable(
      queries.query(
        `INSERT INTO audit_entry (id, workspace_id, at, actor_kind, actor_id, actor_label, user_id, operation, target_id, input, before, correlation_id, address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
        [
          id, intent.workspaceId, at, actor.kind, actor.id, storable(actor.label), actor.userId, intent.operation, shown(intent.targetId),
          documentOf(intent.input), documentOf(intent.before), intent.correlationId, intent.address,
        ],
      ),
    );
    return id;
  }

  /** Notes how it ended. An entry that never gets here stays without an outcome, which says that nobody knows. */
  async complete(id: string, { outcome, status, after, workspaceId, actor, targetId }: Ending, queries: Queries = this.database.pool): Promise<void> {
    await whileReachable(
      queries.query(
        `UPDATE audit_entry SET outcome = $2, status = $3, after = $4, ended_at = $5,
           workspace_id = coalesce(workspace_id, $6), target_id = coalesce(target_id, $7),
           actor_kind = coalesce($8, actor_kind), actor_id = coalesce($9, actor_id), actor_label = coalesce($10, actor_label),
           user_id = coalesce($11, user_id)
         WHERE id = $1 AND outcome IS NULL`,
        [
          id, outcome, status, documentOf(after), this.clock.now(), workspaceId ?? null, shown(targetId ?? null),
          actor?.kind ?? null, actor?.id ?? null, actor ? storable(actor.label) : null, actor?.userId ?? null,
        ],
      ),
    );
  }

  /** Notes at once what was refused before it was begun, ended without us, or is done in the transaction that is given. */
  async note(intent: Intent, ending: Ending, queries: Queries = this.database.pool): Promise<void> {
    await this.complete(await this.begin(intent, queries), ending, queries);
  }

  /** Deletes entries older than so many days, in batches; 0 keeps them for ever. Returns how many. */
  async sweep(days: number): Promise<number> {
    if (days === 0) return 0;
    return deleteInBatches(this.database, 'audit_entry', 'id < $1', [firstIdAt('audit', this.clock.in(-days * DAY_MS))]);
  }
}

/** Paths may name anything, of any length. */
const shown = (target: string | null): string | null => (target === null ? null : storable(target).slice(0, 200));
