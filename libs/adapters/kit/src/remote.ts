import type { JsonObject } from './json.js';
import type { NormalisedEvent } from './pull.js';
import type { ServiceHttp } from './service-http.js';

/** The object at the service, as the service shows it. */
export type RemoteSubscription = {
  externalId: string;
  callbackUrl: string | null;
  active: boolean | null;
  /** What can be compared with `want`, by its keys, and further facts for people. Never a secret, never an encrypted blob. */
  fields: JsonObject;
};

export type RegisterInput<Want extends JsonObject = JsonObject> = {
  /**
   * Ours, at most 64 characters of [A-Za-z0-9_], committed before the call: for services that let the caller choose the id.
   * At an opaque service it is the object's id there, and one that a call may have got through with is not used again.
   */
  id: string;
  resource: string;
  want: Want;
  callbackUrl: string;
  /** Ours, chosen before the call and committed with the pending subscription. */
  secret: string;
  /** For services that are told the moment at which a subscription ends. */
  now: Date;
};

export type Registered = {
  externalId: string;
  /** What later calls need beside the id. The same for every object of one resource and account. */
  aux?: JsonObject;
  /** When the service ends it by itself (ISO 8601), as it says in its answer; left out: it stays until it is removed. */
  expiresAt?: string;
};

/** One HTTP request that the service made to us, out of its own log. */
export type SentDelivery = {
  /** What `redeliver` takes. */
  id: string;
  /** As `normalise` reads it from the request. */
  dedupeKey: string;
  /** False for what starts nothing, as a ping. */
  isEvent: boolean;
  /** ISO 8601. */
  at: string;
  /** Whether the service was content with our answer. */
  taken: boolean;
  /** What it says of our answer, for people. */
  status: string;
};

/** The log that a service keeps of what it sent, and its way of sending again. */
export type DeliveryLog = {
  /** How far back the log reaches, in milliseconds, as the service says. */
  keptMs: number;
  /** All since then, the newest first; at most the `limit` newest. */
  list(http: ServiceHttp, ref: RemoteRef, since: Date, limit: number): Promise<SentDelivery[]>;
  /** Makes the service send it once more, signed and with the same identity. */
  redeliver(http: ServiceHttp, ref: RemoteRef, id: string): Promise<void>;
};

/**
 * How to see, at any moment, that what the service sends arrives: `message`: it sends one that starts nothing when asked;
 * `renewal`: a new object begins with one; `event`: something harmless is done whose event is recognised and starts nothing.
 */
export type Canary<Want extends JsonObject = JsonObject> = CanaryWay<Want> & {
  /** How long what comes of it may be on its way, in milliseconds; left out: two minutes. */
  arrivesWithinMs?: number;
};

type CanaryWay<Want extends JsonObject> =
  | { by: 'message'; send(http: ServiceHttp, ref: RemoteRef): Promise<void> }
  | { by: 'renewal' }
  | {
      by: 'event';
      /** Whether an object with this want would hear of it. */
      applies(want: Want): boolean;
      /** Does it and cleans up; `marker` is at most 40 characters of [a-z0-9-]. */
      send(http: ServiceHttp, marker: string): Promise<void>;
      /** The marker in an event that comes of it, else null. */
      markerOf(event: NormalisedEvent): string | null;
    };

/** One condition for registering, looked at beforehand. `fix` says what to do where it is not met. */
export type PreflightFinding = { id: string; label: string; state: 'ok' | 'failed' | 'unknown'; message: string; fix: string | null };

/** What is needed to find an object of ours: `aux` is null while nothing of its resource was ever answered. */
export type RemoteRef = { resource: string; externalId: string; aux: JsonObject | null };

type EveryRemote<Want extends JsonObject> = {
  register(http: ServiceHttp, input: RegisterInput<Want>): Promise<Registered>;
  /** Gone already counts as removed. */
  remove(http: ServiceHttp, resource: string, externalId: string, aux?: JsonObject | null): Promise<'removed' | 'gone'>;
  /** What the service demands of our URL, by its own words; left out: nothing. */
  callbackRules?: { httpsOnly?: true; publicOnly?: true; docsUrl: string };
  /** Conditions of the service's own, such as a quota of hooks. */
  preflight?(http: ServiceHttp, input: { resource: string; want: Want }): Promise<PreflightFinding[]>;
  deliveryLog?: DeliveryLog;
  canary?: Canary<Want>;
};

/**
 * A service that shows what it holds. After a try that may have got through unheard the engine lists, adopts one object that
 * carries our callback URL and removes its doubles, and registers again only when none is there; after a `conflict` it lists
 * and adopts too.
 */
export type VisibleRemote<Want extends JsonObject = JsonObject> = EveryRemote<Want> & {
  /** Everything at this resource that the service lets us see, ours and foreign, all pages. */
  list(http: ServiceHttp, resource: string): Promise<RemoteSubscription[]>;
  /** The list is the same whatever the resource, so asking for one is enough. */
  listsAll?: true;
  /** Null when the service says it is not there. */
  get(http: ServiceHttp, resource: string, externalId: string): Promise<RemoteSubscription | null>;
  /**
   * Makes it look like `want`, active, with the secret it is given; throws `not_found` when it is gone. Where
   * `canReplaceSecret` is left out, the secret is always the one it was registered with.
   */
  update(http: ServiceHttp, externalId: string, input: RegisterInput<Want>): Promise<void>;
  /** An update with another secret makes the service use that from then on; left out: only a new object gets a new secret. */
  canReplaceSecret?: true;
};

/**
 * A service that shows nothing of what it holds and changes nothing: our own rows are the only list. Every change, every
 * renewal and every try after one that may have got through unheard is a new object, and the one before is removed.
 * `register` gives the object the id it is told (`RegisterInput.id`) and answers with it.
 */
export type OpaqueRemote<Want extends JsonObject = JsonObject> = EveryRemote<Want> & {
  /** `remove` cannot ask without `aux`, so what a try left unheard waits until another object of its resource has taught it. */
  removeNeedsAux?: true;
  /** The longest that an object can live, in milliseconds, as the service says: what cannot be removed is over then; left out: it never ends. */
  longestLifetimeMs?: number;
  list?: undefined;
  get?: undefined;
  update?: undefined;
  canReplaceSecret?: undefined;
};

/** The service's subscription API. Each call throws a ServiceError when it did not do what was asked. */
export type RemoteApi<Want extends JsonObject = JsonObject> = VisibleRemote<Want> | OpaqueRemote<Want>;
