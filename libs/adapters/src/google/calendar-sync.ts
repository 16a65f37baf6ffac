import { ServiceError, type JsonObject, type NormalisedEvent, type PulledPage, type PullSpec, type ServiceHttp } from '@vane/kit';
import { z } from 'zod';
import { getBehind, readCursor, writeCursor } from './answers.js';

/** A list of Google Calendar that can be synchronised. */
export type Collection = {
  path(resource: string): string;
  /** The same in every call: a sync token is good only beside what it was given for. */
  query: Record<string, string | number>;
  what: string;
  eventOf(item: JsonObject & { id: string }, resource: string): NormalisedEvent;
};

const item = z.looseObject({ id: z.string().min(1) });
const list = z.object({ items: z.array(item).optional(), nextPageToken: z.string().min(1).optional(), nextSyncToken: z.string().min(1).optional() });

/** `sync`: the token that a synchronisation began with; `page`: where it goes on. */
const pageCursor = z.strictObject({ sync: z.string(), page: z.string().optional() });
const replayCursor = z.strictObject({ page: z.string() });

/**
 * Fetches by sync tokens: https://developers.google.com/workspace/calendar/api/guides/sync. A token is only given at the end
 * of a whole list, so beginning reads through it once, without what is in it.
 */
export function syncPull(collection: Collection): PullSpec {
  const ask = async (http: ServiceHttp, resource: string, behind: { syncToken?: string; pageToken?: string }, fields?: string) => {
    const query = { ...collection.query, ...behind, fields };
    return getBehind(http, { path: collection.path(resource), query }, list, collection.what);
  };
  const pageOf = (resource: string, answer: z.output<typeof list>, next: (page: string) => JsonObject): PulledPage => {
    const events = (answer.items ?? []).map((each) => collection.eventOf(each as JsonObject & { id: string }, resource));
    if (answer.nextPageToken !== undefined) return { events, cursor: writeCursor(next(answer.nextPageToken)), more: true };
    return { events, cursor: writeCursor({ sync: syncTokenOf(answer) }), more: false };
  };
  return {
    async begin(http, { resource }) {
      for (let pageToken: string | undefined; ; ) {
        const answer = await ask(http, resource, { pageToken }, 'nextPageToken,nextSyncToken');
        if (answer.nextPageToken === undefined) return writeCursor({ sync: syncTokenOf(answer) });
        if (answer.nextPageToken === pageToken) throw new ServiceError('garbage', 'Google gives the same page again and again; it will be tried again.');
        pageToken = answer.nextPageToken;
      }
    },
    async page(http, { resource }, cursor) {
      const { sync, page } = readCursor(pageCursor, cursor);
      return pageOf(resource, await ask(http, resource, { syncToken: sync, pageToken: page }), (next) => ({ sync, page: next }));
    },
    async replay(http, { resource }, cursor) {
      const pageToken = cursor === null ? undefined : readCursor(replayCursor, cursor).page;
      return pageOf(resource, await ask(http, resource, { pageToken }), (next) => ({ page: next }));
    },
  };
}

function syncTokenOf({ nextSyncToken }: z.output<typeof list>): string {
  if (nextSyncToken !== undefined) return nextSyncToken;
  throw new ServiceError('garbage', 'Google answered the last page of a list without a sync token; it will be tried again.');
}

/** An object by its id and its state there: the etag changes with every change. */
export function identityOf({ id, etag, updated }: JsonObject): string {
  return `${String(id)}:${String(etag ?? updated ?? 'gone')}`;
}
