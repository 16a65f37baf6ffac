import { singleHeader, type JsonObject, type WebhookSpec } from '@vane/kit';
import type { Want } from './config.js';

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers */
const EVENT = 'x-github-event';
const DELIVERY = 'x-github-delivery';

export const webhook: WebhookSpec<Want> = {
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  verification: {
    kind: 'hmac',
    hash: 'sha256',
    header: 'x-hub-signature-256',
    key: { as: 'utf8' },
    encoding: 'hex',
    format: { form: 'prefix', prefix: 'sha256=' },
    signed: [{ part: 'body' }],
  },
  methods: ['POST'],
  // https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks#respond-within-10-seconds
  ackDeadlineMs: 10_000,
  // https://docs.github.com/en/webhooks/using-webhooks/handling-failed-webhook-deliveries
  retries: false,
  keepHeaders: [EVENT, DELIVERY, 'x-github-hook-id'],
  isPing: (request) => singleHeader(request, EVENT) === 'ping',
  normalise({ headers, body }) {
    const type = headers[EVENT];
    if (!type) throw new Error(`The delivery has no ${EVENT} header, so it does not come from GitHub as it was sent.`);
    return [{ type, dedupeKey: headers[DELIVERY] || null, occurredAt: null, payload: payloadOf(body, headers['content-type'] ?? '') }];
  },
};

/** A JSON object, alone or as the field `payload` of a form: someone may have changed the content type at GitHub. */
function payloadOf(body: Uint8Array, contentType: string): JsonObject {
  const text = utf8(body);
  const isForm = contentType.toLowerCase().startsWith('application/x-www-form-urlencoded');
  const payload = parse((isForm ? new URLSearchParams(text).get('payload') : text) ?? '');
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return payload as JsonObject;
  throw new Error('The body is not a JSON object, alone or as the field payload of a form.');
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('The body is not UTF-8 text.');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
