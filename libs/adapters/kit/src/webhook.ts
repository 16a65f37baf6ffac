import { createHash } from 'node:crypto';
import type { TriggerType } from './adapter.js';
import type { JsonObject } from './json.js';
import type { NormalisedEvent } from './pull.js';
import { pickHeaders, storedHeaderNames } from './headers.js';
import type { RawRequest } from './request.js';
import type { VerificationScheme } from './scheme.js';

/** The verification scheme of a subscription made for `want`. */
export function schemeOf(type: TriggerType, want: JsonObject): VerificationScheme {
  const { verification } = type.webhook;
  return typeof verification === 'function' ? verification(want) : verification;
}

/** Names (lower case) of the headers stored with the deliveries of a subscription; constant, so callers cache it. */
export function storedHeaderNamesOf(type: TriggerType, want: JsonObject): string[] {
  const { keepHeaders } = type.webhook;
  const keep = typeof keepHeaders === 'function' ? keepHeaders(want) : keepHeaders;
  return storedHeaderNames(keep, schemeOf(type, want));
}

/** The headers of a request that are stored: content-type, user-agent and the adapter's choice, without credentials. */
export function storedHeaders(type: TriggerType, want: JsonObject, headers: RawRequest['headers']): Record<string, string> {
  return pickHeaders(storedHeaderNamesOf(type, want), headers);
}

/** A new secret for a subscription in the form its scheme wants; empty where the want has none. */
export function newSecretOf(type: TriggerType, want: JsonObject, random: (bytes: number) => Uint8Array): string {
  return type.newSecret ? type.newSecret(want, random) : Buffer.from(random(32)).toString('base64url');
}

const LONGEST_KEY = 200;

/**
 * Identity of an event within its feed: the service's own, or the delivery's id (with the event's place in the delivery
 * from the second on) where the service gives none. At most 200 printable characters: a longer or stranger one, which
 * a sender could choose to break an index with, is replaced by its SHA-256.
 */
export function dedupeKeyOf(event: Pick<NormalisedEvent, 'dedupeKey'>, deliveryId: string, index = 0): string {
  const own = event.dedupeKey;
  if (own === null || own === '') return index === 0 ? deliveryId : `${deliveryId}:${index}`;
  if (own.length <= LONGEST_KEY && /^[\x20-\x7e]+$/.test(own)) return own;
  return `sha256:${createHash('sha256').update(own, 'utf8').digest('hex')}`;
}
