import type pg from 'pg';

/** A workspace and how many days it keeps things; 0 is for ever. */
export type KeptDays = { workspaceId: string; deliveriesDays: number; eventsDays: number; runsDays: number };

type Row = { id: string; deliveries_days: number; events_days: number; runs_days: number };

/** What every workspace keeps, its own words before the default. */
export async function keptDays(pool: pg.Pool, byDefault: Omit<KeptDays, 'workspaceId'>): Promise<KeptDays[]> {
  const { rows } = await pool.query<Row>(
    `SELECT w.id, coalesce(r.deliveries_days, $1) AS deliveries_days, coalesce(r.events_days, $2) AS events_days, coalesce(r.runs_days, $3) AS runs_days
     FROM workspace w LEFT JOIN retention r ON r.workspace_id = w.id ORDER BY w.id`,
    [byDefault.deliveriesDays, byDefault.eventsDays, byDefault.runsDays],
  );
  return rows.map(({ id, deliveries_days, events_days, runs_days }) => ({ workspaceId: id, deliveriesDays: deliveries_days, eventsDays: events_days, runsDays: runs_days }));
}
