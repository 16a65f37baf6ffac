import { badParameter, failure, pack, unpack, wholeNumber } from './api.js';
import type { Call } from './api.js';
import type { ChangeLog, Entry, Page } from './change-log.js';
import { nowOf } from './state.js';
import type { Answer } from './wire.js';

/** A list that can be synchronised: where it is, its log, and what a token for it has to agree with. */
export type Collection = {
  id: string;
  log: ChangeLog;
  /** Parameters that a sync token does not go with. */
  forbidden: readonly string[];
  /** Flags that may not be false beside a sync token. */
  neverFalse: readonly string[];
  /** Parameters that have to be as they were when the token was given. */
  same: readonly string[];
};

/** One page of a synchronisation; `incremental` when it began with a sync token. */
export type Sync = { incremental: boolean; page: Page; tokens: { nextPageToken?: string; nextSyncToken?: string } };

const goneMessage = 'Sync token is no longer valid, a full sync is required.';

/** 410: the client has to forget all it has and begin anew. https://developers.google.com/workspace/calendar/api/guides/sync#full_sync_required_by_server */
const fullSyncRequired = (): Answer => failure(410, 'fullSyncRequired', goneMessage, { domain: 'calendar', location: 'syncToken', locationType: 'parameter' });

const signature = (query: URLSearchParams, names: readonly string[]): string => names.map((name) => query.getAll(name).join('|')).join('&');

function start({ state, request: { query } }: Call, collection: Collection): { from: number; incremental: boolean } | Answer {
  const text = query.get('syncToken');
  if (text === null) return { from: 0, incremental: false };
  const clash = collection.forbidden.find((name) => query.has(name)) ?? collection.neverFalse.find((name) => query.get(name) === 'false');
  if (clash !== undefined) return badParameter('syncToken', `Sync token cannot be used with other query restrictions: ${clash}.`);
  const token = unpack(text);
  if (token?.['k'] !== 'sync' || token['c'] !== collection.id || typeof token['s'] !== 'number') return badParameter('syncToken', 'Invalid sync token value.');
  if (token['q'] !== signature(query, collection.same)) return badParameter('syncToken', 'The parameters differ from those that the sync token was given for.');
  const life = state.settings.syncTokenLifeSeconds;
  const expired = life !== null && Number(token['t']) + life * 1000 <= nowOf(state);
  if (expired || token['s'] < collection.log.floor()) return fullSyncRequired();
  return { from: token['s'], incremental: true };
}

/**
 * Reads one page of a collection in the order of its log: all there is without a sync token, what changed since with one.
 * The pages of one list end where the log ended at the first of them, and the sync token of the last one goes on from there,
 * so that what changes between two pages comes with the next synchronisation.
 */
export function synchronise(call: Call, collection: Collection, wanted: (entry: Entry, incremental: boolean) => boolean, withToken = true): Sync | Answer {
  const { state, request: { query } } = call;
  const size = wholeNumber(query, 'maxResults', 250, 2500);
  if (size === null) return badParameter('maxResults');
  const begun = start(call, collection);
  if ('status' in begun) return begun;
  const { log } = collection;
  const same = signature(query, [...collection.same, 'syncToken']);
  let [from, until] = [begun.from, log.head()];
  const pageText = query.get('pageToken');
  if (pageText !== null) {
    const token = unpack(pageText);
    if (token?.['k'] !== 'page' || token['c'] !== collection.id || token['q'] !== same) return badParameter('pageToken', 'Invalid page token value.');
    [from, until] = [Number(token['s']), Number(token['u'])];
    if (until < log.floor()) return fullSyncRequired();
  }
  const page = log.page(from, size, (entry) => wanted(entry, begun.incremental), until);
  const tokens = page.next === null
    ? withToken ? { nextSyncToken: pack({ k: 'sync', c: collection.id, s: until, t: nowOf(state), q: signature(query, collection.same) }) } : {}
    : { nextPageToken: pack({ k: 'page', c: collection.id, s: page.next, u: until, q: same }) };
  return { incremental: begun.incremental, page, tokens };
}
