/** Where a page begins: ids are ordered by time of creation, and pages go from new to old. */
export const pageStart = ({ cursor }: { cursor?: string | undefined }) => (cursor === undefined ? {} : { id: { lt: cursor } });

/** A page out of up to `limit + 1` rows: the one too many says that there is another page. */
export function pageOf<Row extends { id: string }, View>(rows: Row[], limit: number, view: (row: Row) => View) {
  const shown = rows.slice(0, limit);
  return { items: shown.map(view), next: rows.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
