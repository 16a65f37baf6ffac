import { commonSettings, databaseSettings, egressSettings, keyRingSettings, readSettings, redisSettings } from '@vane/runtime';
import { z } from 'zod';

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  ...redisSettings,
  ...egressSettings,
  ...keyRingSettings('VANE_KEYS_DATA_PRIVATE'),
  /** Runs this process has in hand at once, scripts that wait for a sandbox process included. */
  VANE_RUN_CONCURRENCY: z.coerce.number().int().min(1).max(500).default(50),
  /** Sandbox processes kept warm, which is how many scripts run at once. */
  VANE_SCRIPT_PROCESSES: z.coerce.number().int().min(1).max(64).default(2),
};

export type RunWorkerSettings = ReturnType<typeof readRunWorkerSettings>;

export function readRunWorkerSettings(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
