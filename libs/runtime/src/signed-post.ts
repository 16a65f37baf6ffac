import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import type { EgressClient, EgressResponse } from './egress/index.js';

/** As much of an answer as is read. */
const MAX_ANSWER_BYTES = 64 * 1024;

export type SignedPost = {
  url: string;
  /** `whsec_` and the key in base64. */
  secret: string;
  /** `webhook-id`: the same in every repeat of one message, so that the receiver can tell a repeat. */
  id: string;
  /** JSON. */
  body: string;
  now: Date;
  timeoutMs: number;
  signal?: AbortSignal;
};

/** A new signing secret, as receivers are given it: `whsec_` and 32 random bytes in base64. */
export const newSigningSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/**
 * Posts JSON to a URL of a user's, signed as Standard Webhooks describes it
 * (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md). Redirects are refused and
 * long answers cut. Any status is an answer; rejects with an EgressError, or the signal's reason.
 */
export function postSigned(egress: EgressClient, { url, secret, id, body, now, timeoutMs, signal }: SignedPost): Promise<EgressResponse> {
  return egress.request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Vane',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, now, body),
    },
    body,
    timeoutMs,
    maxResponseBytes: MAX_ANSWER_BYTES,
    onTooLarge: 'truncate',
    redirect: 'error',
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Retry-After in seconds or as a date (RFC 9110 section 10.2.3), in milliseconds from now, `maxMs` at most. */
export function retryAfter(header: string | undefined, now: Date, maxMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(maxMs, Math.max(0, ms));
}
