import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useSyncExternalStore, type CSSProperties, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { ApiError } from '../api/client.js';
import { t } from '../messages.js';
import { Button, Loading, Problem } from './parts.js';

export type Column<Item> = { head: string; cell: (item: Item) => ReactNode };

type Listed<Item> = {
  items: Item[]; isPending: boolean; error: ApiError | null; hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown;
};

/** A list as a table, which a phone shows as cards. For lists that people read, not for thousands of lines. */
export function Table<Item>({ label, list, columns, keyOf, empty }: { label: string; list: Listed<Item>; columns: Column<Item>[]; keyOf: (item: Item) => string; empty: ReactNode }) {
  if (list.items.length === 0) return list.error ? <div className="card-pad"><Problem error={list.error} /></div> : list.isPending ? <Loading /> : <>{empty}</>;
  return (
    <>
      <div className="table-wrap">
        <table className="table" aria-label={label}>
          <thead><tr>{columns.map(({ head }) => <th key={head} scope="col">{head}</th>)}</tr></thead>
          <tbody>
            {list.items.map((item) => (
              <tr key={keyOf(item)}>{columns.map(({ head, cell }) => <td key={head} data-label={head}>{cell(item)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.hasNextPage ? <div className="more"><Button small pending={list.isFetchingNextPage} onPress={() => list.fetchNextPage()}>{t.common.more}</Button></div> : null}
    </>
  );
}

const ROW = { wide: 52, phone: 72 };

const PHONE = window.matchMedia('(max-width: 820px)');
const whenPhone = (changed: () => void): (() => void) => {
  PHONE.addEventListener('change', changed);
  return () => PHONE.removeEventListener('change', changed);
};
const usePhone = (): boolean => useSyncExternalStore(whenPhone, () => PHONE.matches);

/** A list of any length: only the lines in sight are in the page, and the next ones are asked for when they come near. */
export function LongList<Item>({ label, list, columns, widths, keyOf, to, empty }: {
  label: string; list: Listed<Item>; columns: Column<Item>[]; widths: string; keyOf: (item: Item) => string; to: (item: Item) => string; empty: ReactNode;
}) {
  const phone = usePhone();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: list.items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (phone ? ROW.phone : ROW.wide),
    overscan: 12,
  });
  useEffect(() => rows.measure(), [rows, phone]);
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (list.hasNextPage && !list.isFetchingNextPage && last >= list.items.length - 20) list.fetchNextPage();
  });
  if (list.items.length === 0) return list.error ? <div className="card-pad"><Problem error={list.error} /></div> : list.isPending ? <Loading /> : <>{empty}</>;
  const style = { '--columns': widths } as CSSProperties;
  return (
    <>
      <div className="vhead" style={style} aria-hidden="true">{columns.map(({ head }) => <span key={head}>{head}</span>)}</div>
      <div className="vlist" ref={scroller} style={list.items.length < 12 ? { height: rows.getTotalSize() } : {}}>
        <ul className="vlist-inner" style={{ height: rows.getTotalSize() }} aria-label={label}>
          {shown.map((row) => {
            const item = list.items[row.index]!;
            return (
              <li key={keyOf(item)}>
                <Link href={to(item)} className="vrow" style={{ ...style, transform: `translateY(${row.start}px)` }}>
                  {columns.map(({ head, cell }) => <span key={head}>{cell(item)}</span>)}
                </Link>
              </li>
            );
          })}
        </ul>
      </div>
    </>
  );
}
