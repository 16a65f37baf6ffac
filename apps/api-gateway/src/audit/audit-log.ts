import { Controller } from '@nestjs/common';
import { listAudit, listInstanceAudit, UNKNOWN_OUTCOME, type AuditEntryView, type InputOf, type OutputOf } from '@vane/contracts';
import { Database } from '@vane/db';
import { Handles } from '@vane/runtime';
import { boundaryStatement, pageStatement, type Search } from './audit-search.js';

/** A page ends where it has so many characters of JSON: replies have to fit a message of the bus. */
const PAGE_CHARACTERS = 700_000;

type Row = {
  id: string;
  workspace_id: string | null;
  at: Date;
  actor_kind: AuditEntryView['actorKind'];
  actor_id: string;
  actor_label: string;
  user_id: string | null;
  operation: string;
  target_id: string | null;
  input: AuditEntryView['input'];
  before: AuditEntryView['before'];
  after: AuditEntryView['after'];
  outcome: string | null;
  status: number | null;
  correlation_id: string;
  address: string;
  ended_at: Date | null;
};

const view = (row: Row): AuditEntryView => ({
  id: row.id,
  at: row.at.toISOString(),
  workspaceId: row.workspace_id,
  actorKind: row.actor_kind,
  actorId: row.actor_id,
  actorLabel: row.actor_label,
  userId: row.user_id,
  operation: row.operation,
  targetId: row.target_id,
  outcome: row.outcome ?? UNKNOWN_OUTCOME,
  status: row.status,
  correlationId: row.correlation_id,
  address: row.address,
  endedAt: row.ended_at?.toISOString() ?? null,
  input: row.input,
  before: row.before,
  after: row.after,
});

/** The audit trail as it is read: by admins that of their workspace, by superadmins all of it. */
@Controller()
export class AuditLog {
  constructor(private readonly database: Database) {}

  @Handles(listAudit)
  list(input: InputOf<typeof listAudit>): Promise<OutputOf<typeof listAudit>> {
    return this.search(input);
  }

  @Handles(listInstanceAudit)
  listInstance(input: InputOf<typeof listInstanceAudit>): Promise<OutputOf<typeof listInstanceAudit>> {
    return this.search({ ...input, workspace: null });
  }

  private async search(search: Search): Promise<OutputOf<typeof listAudit>> {
    const toBoundary = boundaryStatement(search);
    const boundary = toBoundary && (await this.database.pool.query<{ id: string }>(toBoundary.sql, toBoundary.values)).rows[0]?.id;
    const { sql, values } = pageStatement(search, boundary);
    const { rows } = await this.database.pool.query<Row>(sql, values);
    const items = fitting(rows.slice(0, search.limit).map(view));
    return { items, next: items.length < rows.length ? items.at(-1)!.id : (boundary ?? null) };
  }
}

/** The first of the items that fit a page, and one at least. */
function fitting(items: AuditEntryView[]): AuditEntryView[] {
  let left = PAGE_CHARACTERS;
  const end = items.findIndex((item) => (left -= JSON.stringify(item).length) < 0);
  return end === -1 ? items : items.slice(0, Math.max(1, end));
}
