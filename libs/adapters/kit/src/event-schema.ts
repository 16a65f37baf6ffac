import { z } from 'zod';
import type { NormalisedEvent } from './pull.js';

/** What `normalise` may hand over; checked by the conformance suite, and by whoever runs adapters that are not ours. */
export const normalisedEvent: z.ZodType<NormalisedEvent> = z.strictObject({
  type: z.string().min(1).max(200),
  dedupeKey: z.string().min(1).nullable(),
  occurredAt: z.iso.datetime({ offset: true }).nullable(),
  payload: z.json(),
});
