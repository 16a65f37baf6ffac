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
  ...keyRingSettings('VANE_KEYS_HOOKS'),
  ...keyRingSettings('VANE_KEYS_DATA_PUBLIC'),
  VANE_INGRESS_KEY_SECRET: z.string().min(1),
};

export type TriggerSettings = ReturnType<typeof readTriggerSettings>;

export function readTriggerSettings(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
