import { pipeline, Readable } from 'node:stream';
import { OPERATIONS, type CallContext, type Operation } from '@vane/contracts';
import type { Bus } from '@vane/runtime';
import { stringify } from 'csv-stringify';
import { itemOf } from '../audit/reader.js';
import { isRest, type RestOperation } from './input.js';

const PAGE = 200;

type Page = { items: Record<string, unknown>[]; next: string | null };

/**
 * All pages of a list as one CSV document (RFC 4180): a header with the names of the items' members, then a line for each
 * item; what is no text is JSON. Pages are asked for as the reader takes them in. Cells that a spreadsheet would take for
 * a formula get an apostrophe before them (https://owasp.org/www-community/attacks/CSV_Injection). Rejects when the first
 * page cannot be had; a later failure ends the document with an error, so that nobody takes a part for the whole.
 */
export async function csvOf(bus: Bus, list: Operation, input: Record<string, unknown>, call: CallContext): Promise<Readable> {
  const ask = async (cursor: string | null) => (await bus.ask(list, { ...input, limit: PAGE, ...(cursor === null ? {} : { cursor }) }, call)) as Page;
  const first = await ask(null);
  const items = async function* () {
    for (let page = first; ; page = await ask(page.next)) {
      yield* page.items;
      if (page.next === null) return;
    }
  };
  const lines = stringify({ header: true, columns: columnsOf(list), record_delimiter: 'windows', escape_formulas: true, cast: { boolean: String } });
  // What fails on the way destroys `lines`, which is what the reader sees.
  pipeline(Readable.from(items()), lines, () => undefined);
  return lines;
}

/** The list that an operation answers as CSV. */
export function csvSource({ name, http }: RestOperation): Operation | undefined {
  if (http.csvOf === undefined) return undefined;
  const list = OPERATIONS.find((operation) => operation.name === http.csvOf);
  if (!list || columnsOf(list).length === 0) throw new Error(`${name} is the CSV of ${http.csvOf}, which is no list.`);
  return list;
}

const columnsOf = (list: Operation): string[] => (isRest(list) ? Object.keys(itemOf(list)?.shape ?? {}) : []);
