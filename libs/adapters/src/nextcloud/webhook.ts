import type { Json, WebhookSpec } from '@vane/kit';
import { z } from 'zod';
import type { Want } from './config.js';

/** The header that carries our secret; Nextcloud neither signs nor dates what it sends. */
export const SECRET_HEADER = 'X-Vane-Secret';

const HOUR_SECONDS = 3_600;
/** The last second of the year 9999, beyond which ISO 8601 needs an agreement. */
const LAST_SECOND = 253_402_300_799;

const body = z.looseObject({
  event: z.looseObject({ class: z.string().min(1).max(200) }),
  time: z.int().min(0).max(LAST_SECOND).optional().catch(undefined),
});

/** https://docs.nextcloud.com/server/latest/admin_manual/webhook_listeners/index.html */
export const webhook: WebhookSpec<Want> = {
  verification: { kind: 'shared-secret', header: SECRET_HEADER.toLowerCase() },
  methods: ['POST'],
  ackDeadlineMs: 30_000,
  retries: false,
  keepHeaders: [],
  // Tokens of whole accounts, valid for an hour.
  redact: [{ pointer: '/authentication', authSeconds: HOUR_SECONDS }],
  normalise(request) {
    const json = parse(request.body);
    const read = body.safeParse(json);
    if (!read.success) throw new Error('The body is not an event of Nextcloud: it has no event.class.');
    const { event, time } = read.data;
    return [
      {
        type: event.class,
        // Two real events within one second can be the same bytes, so nothing here tells them apart.
        dedupeKey: null,
        occurredAt: time === undefined ? null : new Date(time * 1000).toISOString(),
        payload: json as Json,
      },
    ];
  },
};

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Error('The body is not JSON.');
  }
}
