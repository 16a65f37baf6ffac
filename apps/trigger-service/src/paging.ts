/** Newest first by id, which orders by time: the `where` of a page, and what is returned of one row too many. */
export const pageArgs = (input: { cursor?: string; limit: number }) => ({
  where: input.cursor === undefined ? {} : { id: { lt: input.cursor } },
  orderBy: { id: 'desc' as const },
  take: input.limit + 1,
});

export function toPage<Row extends { id: string }, View>(rows: Row[], limit: number, view: (row: Row) => View) {
  const shown = rows.slice(0, limit);
  return { items: shown.map(view), next: rows.length > limit ? shown.at(-1)!.id : null };
}
