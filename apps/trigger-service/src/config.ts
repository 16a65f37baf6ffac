import { adapterSettings, commonSettings, databaseSettings, egressSettings, keyRingSettings, readSettings, redisSettings } from '@vane/runtime';
import { z } from 'zod';

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  ...redisSettings,
  ...egressSettings,
  ...adapterSettings,
  /** Where services reach webhook-ingress. */
  VANE_PUBLIC_URL: z.url({ protocol: /^https?$/ }),
  /** Where browsers reach the gateway, for links in notifications; left out, they have none. */
  VANE_API_URL: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).transform((url) => url.replace(/\/+$/, '')).optional(),
  ...keyRingSettings('VANE_KEYS_HOOKS'),
  ...keyRingSettings('VANE_KEYS_DATA_PUBLIC'),
  VANE_INGRESS_KEY_SECRET: z.string().min(1),
  /** Seconds between two pulls of a feed of which nothing is heard: messages of services get lost. */
  VANE_PULL_EVERY_SECONDS: z.coerce.number().int().min(10).default(900),
  /** Seconds between two looks at what a service holds of one subscription. */
  VANE_CHECK_EVERY_SECONDS: z.coerce.number().int().min(60).default(21_600),
  /** Seconds between two looks into the log that a service keeps of what it sent. */
  VANE_LOG_EVERY_SECONDS: z.coerce.number().int().min(60).default(900),
  /** Seconds between two tries of a subscription whether what its service sends arrives; whole days: at night, in UTC. 0: none. */
  VANE_CANARY_EVERY_SECONDS: z.coerce.number().int().min(0).default(86_400),
};

export type TriggerSettings = ReturnType<typeof readTriggerSettings>;

export function readTriggerSettings(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
