import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Adapter, RevocationWays, StoredRequest, TriggerType } from '../adapter.js';
import type { JsonObject } from '../json.js';
import type { NormalisedEvent } from '../pull.js';
import { redact } from '../redact.js';
import type { RegisterInput, RemoteApi } from '../remote.js';
import type { RawRequest } from '../request.js';
import type { VerificationScheme } from '../scheme.js';
import type { ServiceError, ServiceHttp } from '../service-http.js';
import { newSecretOf, schemeOf, storedHeaders } from '../webhook.js';

/** A delivery as the service sends it, without what `sign` adds. */
export type Fixture = {
  name: string;
  headers?: Record<string, string>;
  body: string | Uint8Array;
  /** What it becomes, in order; left out: anything that is a valid event. */
  events?: Partial<NormalisedEvent>[];
  /** True for a message that is recorded and starts nothing. */
  ping?: boolean;
};

/** A stand-in of the service that the remote calls of the adapter are tried on. Where its clock matters it is at `CONFORMANCE_NOW`. */
export type RemoteRig = {
  http: ServiceHttp;
  /** What the stand-in holds, read beside its public API. */
  state: {
    count(): number | Promise<number>;
    secretOf(externalId: string): string | undefined | Promise<string | undefined>;
    /** When it ends by itself (ISO 8601); left out where nothing does. */
    endOf?(externalId: string): string | undefined | Promise<string | undefined>;
  };
  /** Makes the next call fail with this status. */
  failNext(status: number): void | Promise<void>;
  close(): Promise<void>;
};

/** A stand-in of the service that events are fetched from. */
export type PullRig = {
  http: ServiceHttp;
  /** Changes an object of the resource, each time to another state, or adds one. */
  change(): void | Promise<void>;
  /** Makes every cursor stale that was given so far; left out where none gets stale. */
  makeStale?(): void | Promise<void>;
  /** Makes the next call fail with this status. */
  failNext(status: number): void | Promise<void>;
  close(): Promise<void>;
};

/** A stand-in of the service with a live grant that is to be ended. */
export type RevocationRig = {
  ways: RevocationWays;
  grant: { accessToken: string; clientId: string };
  isAlive(): boolean | Promise<boolean>;
  /** Makes the next call fail with this status. */
  failNext(status: number): void | Promise<void>;
  close(): Promise<void>;
};

export type Subject = {
  triggerType: string;
  /** A valid config, as a person would enter it. */
  config: JsonObject;
  fixtures: Fixture[];
  /** The headers the service adds to prove itself, written without this kit's own engine; left out where nothing is verified. */
  sign?(body: Uint8Array, secret: string, now: Date, fixture: Fixture): Record<string, string>;
  remote?(): Promise<RemoteRig>;
  pull?(): Promise<PullRig>;
  revocation?(): Promise<RevocationRig>;
};

/** One promise of an adapter. `omitted` says why it does not apply. */
export type Case = { name: string; omitted?: string; run(): void | Promise<void> };

/** A case at a stand-in of the service that is started for it and closed after it. */
export type Tried<Remote extends RemoteApi> = (sentence: string, run: (bench: { remote: Remote; rig: RemoteRig; input: RegisterInput }) => Promise<void>) => Case;

/** Whether an error gives a secret away. */
export function tells(error: ServiceError, secret: string): boolean {
  return `${error.message} ${JSON.stringify(error.details)} ${String(error.details.cause)}`.includes(secret);
}

/** The moment at which the suite is run. */
export const CONFORMANCE_NOW = '2025-11-23T10:00:00.000Z';

export type Prepared = {
  adapter: Adapter;
  subject: Subject;
  type: TriggerType;
  parsed: Record<string, unknown>;
  resource: string;
  want: JsonObject;
  scheme: VerificationScheme;
  now: Date;
  /** Secrets of the type's own making, another for each number. */
  secret(number: number): string;
  /** A signed delivery. */
  request(fixture: Fixture, secret: string, now?: Date): RawRequest;
  /** What is left of a delivery when it was stored. */
  stored(request: RawRequest): StoredRequest;
};

export function bytesOf({ body }: Fixture): Uint8Array {
  return typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
}

/** Works out all that the cases need; throws a sentence when the subject itself is not usable. */
export function prepare(adapter: Adapter, subject: Subject): Prepared {
  const type = adapter.triggerTypes[subject.triggerType];
  assert.ok(type, `Trigger type '${subject.triggerType}' is not one of ${Object.keys(adapter.triggerTypes).join(', ')}.`);
  const result = type.config.safeParse(subject.config);
  assert.ok(result.success, `The config given to the conformance suite is refused: ${result.error?.message}`);
  const parsed = result.data;
  const { resource, want } = type.plan(parsed);
  const now = new Date(CONFORMANCE_NOW);
  return {
    adapter, subject, type, parsed, resource, want, now,
    scheme: schemeOf(type, want),
    secret: (number) => newSecretOf(type, want, (bytes) => bytesFrom(number, bytes)),
    request: (fixture, secret, at = now) => ({
      method: type.webhook.methods[0] ?? 'POST',
      headers: lowerCased({ ...fixture.headers, ...subject.sign?.(bytesOf(fixture), secret, at, fixture) }),
      query: {},
      body: bytesOf(fixture),
    }),
    stored: (request) => {
      const redacted = redact(request.body, type.webhook.redact ?? []);
      assert.ok(redacted.ok, 'A fixture is not JSON although members are to be cut out of it.');
      return { headers: storedHeaders(type, want, request.headers), body: redacted.body, receivedAt: now.toISOString() };
    },
  };
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Bytes that look random, the same for the same number, so that a failure can be repeated. */
function bytesFrom(number: number, bytes: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, block) => createHash('sha256').update(`${number}.${block}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}
