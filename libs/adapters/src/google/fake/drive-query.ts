import { folderId } from './drive-store.js';
import type { Account, DriveFile, State } from './state.js';

type Test = (file: DriveFile) => boolean;

/** A search that was understood. `parent` is a folder that every result lies in, when there is one. */
export type Query = { test: Test; parent: string | null };

const tokenPattern = /\s*(?:'((?:[^'\\]|\\.)*)'|([A-Za-z]+)|(<=|>=|!=|[=<>()]))/y;

function tokens(text: string): string[] | null {
  const found: string[] = [];
  tokenPattern.lastIndex = 0;
  while (text.slice(tokenPattern.lastIndex).trim() !== '') {
    const match = tokenPattern.exec(text);
    if (!match) return null;
    found.push(match[1] !== undefined ? `'${match[1].replace(/\\(.)/g, '$1')}` : (match[2] ?? match[3] ?? ''));
  }
  return found;
}

/** `contains` on names finds the beginnings of words. */
const nameContains = (name: string, part: string): boolean => new RegExp(`(^|[^\\p{L}\\p{N}])${part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`, 'iu').test(name);

function compare(one: number | string, operator: string, other: number | string): boolean | null {
  switch (operator) {
    case '=': return one === other;
    case '!=': return one !== other;
    case '<': return one < other;
    case '<=': return one <= other;
    case '>': return one > other;
    case '>=': return one >= other;
    default: return null;
  }
}

function fieldTest(account: Account, field: string, operator: string, raw: string): Test | null {
  const quoted = raw.startsWith("'");
  const value = quoted ? raw.slice(1) : raw;
  if (field === 'name' || field === 'mimeType') {
    if (!quoted || !['=', '!=', 'contains'].includes(operator)) return null;
    if (operator === 'contains') return (file) => (field === 'name' ? nameContains(file.name, value) : file.mimeType.startsWith(value));
    return (file) => compare(file[field], operator, value) === true;
  }
  if (field === 'modifiedTime' || field === 'createdTime') {
    const time = Date.parse(value);
    if (!quoted || Number.isNaN(time) || compare(0, operator, 0) === null) return null;
    return (file) => compare(field === 'modifiedTime' ? file.modifiedAt : file.createdAt, operator, time) === true;
  }
  if (!['=', '!='].includes(operator) || !['true', 'false'].includes(value)) return null;
  const wanted = (value === 'true') === (operator === '=');
  if (field === 'trashed') return (file) => file.trashed === wanted;
  if (field === 'starred') return (file) => file.starred === wanted;
  if (field === 'sharedWithMe') return (file) => file.sharedWith.has(account.email) === wanted;
  return null;
}

function memberTest(state: State, account: Account, value: string, collection: string | undefined): { test: Test; parent: string | null } | null {
  if (collection === 'parents') {
    const parent = value === 'root' ? account.rootId : value;
    if (folderId(state, account, parent) === null) return null;
    return { test: (file) => file.parents.includes(parent), parent };
  }
  const email = value === 'me' ? account.email : value;
  if (collection === 'owners') return { test: (file) => file.owner === email, parent: null };
  if (collection === 'readers' || collection === 'writers') return { test: (file) => file.owner === email || file.sharedWith.has(email), parent: null };
  return null;
}

/**
 * Reads the `q` of files.list, null when it is not understood or names a folder that is not there.
 * https://developers.google.com/workspace/drive/api/guides/ref-search-terms
 */
export function parseQuery(state: State, account: Account, text: string): Query | null {
  const list = tokens(text);
  if (list === null) return null;
  let at = 0;
  const term = (): Query | null => {
    const token = list[at++] ?? '';
    if (token === 'not') {
      const inner = term();
      return inner === null ? null : { test: (file) => !inner.test(file), parent: null };
    }
    if (token === '(') {
      const inner = either();
      return list[at++] === ')' ? inner : null;
    }
    if (token.startsWith("'")) return list[at++] === 'in' ? memberTest(state, account, token.slice(1), list[at++]) : null;
    if (token === 'sharedWithMe' && !['=', '!='].includes(list[at] ?? '')) return { test: (file) => file.sharedWith.has(account.email), parent: null };
    const test = fieldTest(account, token, list[at++] ?? '', list[at++] ?? '');
    return test === null ? null : { test, parent: null };
  };
  const both = (): Query | null => {
    let left = term();
    while (left !== null && list[at] === 'and') {
      at += 1;
      const [one, other] = [left, term()];
      left = other === null ? null : { test: (file) => one.test(file) && other.test(file), parent: one.parent ?? other.parent };
    }
    return left;
  };
  const either = (): Query | null => {
    let left = both();
    while (left !== null && list[at] === 'or') {
      at += 1;
      const [one, other] = [left, both()];
      left = other === null ? null : { test: (file) => one.test(file) || other.test(file), parent: null };
    }
    return left;
  };
  const query = either();
  return at === list.length ? query : null;
}
