export type PageInput = { workspace: string; cursor?: string; limit: number };

type Query = { where: { id?: { lt: string } }; orderBy: { id: 'desc' }; take: number };

/** One page, newest first: ids are ordered by time, so the last one of a page is the cursor of the next. */
export async function pageOf<Row extends { id: string }, View>(
  { cursor, limit }: PageInput,
  find: (query: Query) => Promise<Row[]>,
  view: (row: Row) => View,
): Promise<{ items: View[]; next: string | null }> {
  const rows = await find({ where: cursor === undefined ? {} : { id: { lt: cursor } }, orderBy: { id: 'desc' }, take: limit + 1 });
  const items = rows.slice(0, limit);
  return { items: items.map(view), next: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
}
