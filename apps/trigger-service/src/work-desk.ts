import { VaneError, type CallContext, type WorkItem, type WorkKind } from '@vane/contracts';
import type { Database } from '@vane/db';

/** One kind of what becomes due by a time in Postgres. */
export type Work = {
  kind: WorkKind;
  /** Ids of what is due and held by nobody, the longest due first; one query, whose cost is what is due. */
  due(limit: number): Promise<string[]>;
  /** Does one, under its lease. False when another is at it, it is not due any more, or it is due again later. */
  do(id: string, call: CallContext): Promise<boolean>;
};

/** What a statement that selects `id` finds, in its order. */
export async function idsFrom({ pool }: Database, sql: string, values: unknown[]): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(sql, values);
  return rows.map(({ id }) => id);
}

/** Says what is due, and does it one by one for whoever asks: sync-workers, as many as there are. */
export class WorkDesk {
  constructor(private readonly works: readonly Work[]) {}

  async due(limit: number): Promise<{ items: WorkItem[]; more: boolean }> {
    const found = await Promise.all(this.works.map(async ({ kind, due }) => ({ kind, ids: await due(limit) })));
    return {
      items: found.flatMap(({ kind, ids }) => ids.map((id) => ({ kind, id }))),
      more: found.some(({ ids }) => ids.length === limit),
    };
  }

  async do({ kind, id }: WorkItem, call: CallContext): Promise<{ done: boolean }> {
    const work = this.works.find((one) => one.kind === kind);
    if (!work) throw new VaneError('bad_request', `Nobody here does work of kind ${kind}.`);
    return { done: await work.do(id, call) };
  }
}
