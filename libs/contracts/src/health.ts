import { z } from 'zod';
import { instant } from './scalars.js';

/** Why something is in its state: a typed code, and the service's own sentence where it gave one. */
export const reason = z.object({ code: z.string(), message: z.string() }).meta({ id: 'Reason' });
export type Reason = z.infer<typeof reason>;

/** `failing`: events do not come to runs; `degraded`: they may not, or not for long; `unknown`: nothing is known yet. */
export const HEALTH_STATES = ['healthy', 'degraded', 'failing', 'unknown'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** What an event passes on its way to a run, in this order. */
export const HEALTH_LAYERS = ['connection', 'subscription', 'ingress', 'delivery'] as const;
export type HealthLayer = (typeof HEALTH_LAYERS)[number];

/** The worst of the layers; of equally bad ones the first. */
export const healthView = z
  .object({
    state: z.enum(HEALTH_STATES),
    layer: z.enum(HEALTH_LAYERS).nullable().describe('Where it is not healthy; null where it is'),
    reason: reason.nullable(),
    hint: z.string().nullable().describe('What to do about it'),
    since: instant.nullable().describe('Since when, where that is known'),
  })
  .meta({ id: 'Health' });
export type HealthView = z.infer<typeof healthView>;
