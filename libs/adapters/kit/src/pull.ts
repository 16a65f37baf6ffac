import type { Json, JsonObject } from './json.js';
import type { ServiceHttp } from './service-http.js';

export type NormalisedEvent = {
  /** The service's own name of what happened. */
  type: string;
  /** Identity within the feed, stable when the service sends again; null where the service gives none. */
  dedupeKey: string | null;
  /** When it happened, ISO 8601, where the service says so. */
  occurredAt: string | null;
  payload: Json;
};

/** What is fetched: the feed's resource, as its subscription wants it. */
export type PullTarget<Want extends JsonObject = JsonObject> = { resource: string; want: Want };

export type PulledPage = {
  /** In the order in which the service lists them. */
  events: NormalisedEvent[];
  /** Where the next page, or the next pull, goes on; kept as it is. */
  cursor: string;
  /** Whether there is another page at once. */
  more: boolean;
};

/**
 * Fetches what happened behind a cursor, a page at a time. A page's events and its cursor are committed together, so a pull
 * that is cut off goes on at its last page. Services collapse the states of an object between two pulls: what is promised
 * is the last one.
 */
export type PullSpec<Want extends JsonObject = JsonObject> = {
  /** A cursor that stands at this moment: only what happens later is behind it. */
  begin(http: ServiceHttp, target: PullTarget<Want>): Promise<string>;
  /** @throws StaleCursor when the service does not know the cursor any more */
  page(http: ServiceHttp, target: PullTarget<Want>, cursor: string): Promise<PulledPage>;
  /**
   * Everything that is there now, each object with the identity it would have in `page`. Begins with null; the cursor of the
   * last page is one for `page`, and nothing that happens meanwhile is missed between the two.
   * @throws StaleCursor when a cursor of its own is not known any more; it is then begun anew
   */
  replay(http: ServiceHttp, target: PullTarget<Want>, cursor: string | null): Promise<PulledPage>;
};

/** The service does not know a cursor any more. `message` is a sentence with the service's own words in it. */
export class StaleCursor extends Error {
  override readonly name = 'StaleCursor';
}
