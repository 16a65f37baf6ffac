import { UNKNOWN_OUTCOME, type InputOf, type listAudit } from '@vane/contracts';
import { firstIdAt } from '@vane/db';

/** A search in one workspace, or, with null, in all there is. */
export type Search = Omit<InputOf<typeof listAudit>, 'workspace'> & { workspace: string | null };

/** Entries that one call looks at when a condition has no index. */
const SCANNED = 20_000;

export type Statement = { sql: string; values: unknown[] };
/** Conditions, with the values that `$1` and so on stand for. */
type Conditions = { sql: string[]; values: unknown[] };

/** Adds `sql` with the number of its value for `?`. */
function add(conditions: Conditions, sql: string, value: unknown): void {
  conditions.sql.push(sql.replaceAll('?', `$${conditions.values.push(value)}`));
}

/** Conditions that an index serves: workspace, time, and within a workspace actor and target. */
function indexed({ workspace, cursor, from, to, actor, target }: Search): Conditions {
  const conditions: Conditions = { sql: ['TRUE'], values: [] };
  if (workspace !== null) add(conditions, 'workspace_id = ?', workspace);
  if (cursor !== undefined) add(conditions, 'id < ?', cursor);
  // Ids sort by time, so their index is one of times too.
  if (from !== undefined) add(conditions, 'id >= ?', firstIdAt('audit', new Date(from)));
  if (to !== undefined) add(conditions, 'id < ?', firstIdAt('audit', new Date(to)));
  if (workspace !== null) addObjects(conditions, { actor, target });
  return conditions;
}

function addObjects(conditions: Conditions, { actor, target }: Pick<Search, 'actor' | 'target'>): void {
  if (actor !== undefined) add(conditions, actor.startsWith('usr_') ? 'user_id = ?' : 'actor_id = ?', actor);
  if (target !== undefined) add(conditions, 'target_id = ?', target);
}

/** All conditions, in which those that an index serves come first. */
function all(search: Search): Conditions {
  const conditions = indexed(search);
  const { workspace, operation, outcome, q } = search;
  if (workspace === null) addObjects(conditions, search);
  if (operation?.endsWith('.')) add(conditions, 'operation LIKE ?', `${literal(operation)}%`);
  else if (operation !== undefined) add(conditions, 'operation = ?', operation);
  if (outcome === UNKNOWN_OUTCOME) conditions.sql.push('outcome IS NULL');
  else if (outcome !== undefined) add(conditions, 'outcome = ?', outcome);
  if (q !== undefined) add(conditions, '(actor_label ILIKE ? OR target_id ILIKE ? OR operation ILIKE ?)', `%${literal(q)}%`);
  return conditions;
}

/**
 * Finds the last entry that one call looks at; undefined when every condition has an index. Whoever asks goes on from
 * there, so that no call reads more than 20,000 entries for what is rare, or not there at all.
 */
export function boundaryStatement(search: Search): Statement | undefined {
  const { sql, values } = indexed(search);
  if (all(search).sql.length === sql.length) return undefined;
  return { sql: `SELECT id FROM audit_entry WHERE ${sql.join(' AND ')} ORDER BY id DESC OFFSET ${SCANNED - 1} LIMIT 1`, values };
}

/** Finds one page down to a boundary, newest first, with one entry more than the page holds. */
export function pageStatement(search: Search, boundary: string | undefined): Statement {
  const conditions = all(search);
  if (boundary !== undefined) add(conditions, 'id >= ?', boundary);
  const { sql, values } = conditions;
  return { sql: `SELECT * FROM audit_entry WHERE ${sql.join(' AND ')} ORDER BY id DESC LIMIT ${search.limit + 1}`, values };
}

/** A text in a LIKE pattern, standing for itself. */
const literal = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&');
