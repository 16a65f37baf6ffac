import type { Database } from '../database.js';
import type { RingDamage } from './damage.js';
import type { UnreadableCell } from './encrypted-columns.js';

/** A kind of object that holds something encrypted, and what people do when that is lost. */
type Kind = { table: string; ring: RingDamage['ring']; title: string; remedy: string; label: string; living: string };

/** `label` and `living` are SQL over the table: what an object is called, and whether anybody still has a use for it. */
export const KINDS: readonly Kind[] = [
  {
    table: 'integration', ring: 'oauth', title: 'integrations', remedy: 'enter the client secret again',
    label: `name || ' (' || service || ')'`, living: 'TRUE',
  },
  {
    table: 'connection', ring: 'oauth', title: 'connections', remedy: 'connect the account again',
    label: `account_label || ' (' || service || ')'`, living: 'TRUE',
  },
  {
    table: 'subscription', ring: 'hooks', title: 'subscriptions', remedy: 'choose a new secret, or create the triggers anew',
    label: `service || '/' || trigger_type || CASE WHEN resource = '' THEN '' ELSE ' ' || resource END`, living: `status <> 'removed'`,
  },
  {
    table: 'notification_channel', ring: 'access', title: 'notification channels', remedy: 'choose a new secret',
    label: `kind || ' ' || target`, living: 'secret_enc IS NOT NULL',
  },
  { table: 'secret', ring: 'data', title: 'secrets', remedy: 'set the value again', label: 'name', living: 'TRUE' },
  {
    table: 'runnable', ring: 'data', title: 'HTTP targets', remedy: 'choose a new signing secret, or create the target anew',
    label: `name || ' (' || id || ')'`, living: 'secret_sealed IS NOT NULL AND deleted_at IS NULL',
  },
];

export type AffectedObject = { id: string; label: string };
/** `id` is null for what belongs to the instance. `objects` by the title of their kind. */
export type AffectedWorkspace = { id: string | null; name: string; objects: Record<string, AffectedObject[]> };

/** What people lose, workspace by workspace: everything under a lost data key, and single values that cannot be read. */
export async function affectedBy(database: Database, damage: RingDamage[], cells: UnreadableCell[]): Promise<AffectedWorkspace[]> {
  const found = new Map<string | null, AffectedWorkspace['objects']>();
  for (const kind of KINDS) {
    const scopes = damage.find(({ ring }) => ring === kind.ring)?.scopes ?? [];
    const values = damage.flatMap((one) => one.values).filter(({ table }) => table === kind.table);
    const rows = cells.filter(({ table }) => table === kind.table).map(({ row }) => row);
    const id = kind.table === 'secret' ? 'name' : 'id';
    const { rows: objects } = await database.pool.query<AffectedObject & { workspaceId: string | null }>(
      `SELECT DISTINCT ${id} AS id, workspace_id AS "workspaceId", ${kind.label} AS label FROM ${kind.table}
       WHERE (${kind.living}) AND (coalesce(workspace_id, 'instance') = ANY ($1) OR ${id} = ANY ($2)
         OR (workspace_id, ${id}) IN (SELECT * FROM unnest($3::text[], $4::text[]))) ORDER BY 2, 1`,
      [scopes, rows, values.map(({ workspaceId }) => workspaceId), values.map(({ row }) => row)],
    );
    for (const { workspaceId, ...object } of objects) {
      const of = found.get(workspaceId) ?? {};
      found.set(workspaceId, { ...of, [kind.title]: [...(of[kind.title] ?? []), object] });
    }
  }
  const names = await database.pool.query<{ id: string; name: string }>('SELECT id, name FROM workspace WHERE id = ANY ($1)', [[...found.keys()]]);
  const nameOf = new Map(names.rows.map(({ id, name }) => [id, name]));
  return [...found].map(([id, objects]) => ({ id, name: id === null ? 'the instance' : (nameOf.get(id) ?? 'a deleted workspace'), objects }));
}
