export type PageInput = { cursor?: string | undefined; limit: number };

export type PageQuery = { where: { id?: { lt: string } }; orderBy: { id: 'desc' }; take: number };

/**
 * One page, newest first: ids are ordered by time, so the last one of a page is the cursor of the next. One row more than
 * the page holds is asked for, to know whether there is another.
 */
export async function pageOf<Row extends { id: string }, View>(
  { cursor, limit }: PageInput,
  find: (query: PageQuery) => Promise<Row[]>,
  view: (row: Row) => View,
): Promise<{ items: View[]; next: string | null }> {
  const rows = await find({ where: cursor === undefined ? {} : { id: { lt: cursor } }, orderBy: { id: 'desc' }, take: limit + 1 });
  const shown = rows.slice(0, limit);
  return { items: shown.map(view), next: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
