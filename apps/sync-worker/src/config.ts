import { commonSettings, readSettings, redisSettings } from '@vane/runtime';

export const settingsShape = { ...commonSettings, ...redisSettings };

export type SyncWorkerSettings = ReturnType<typeof readSyncWorkerSettings>;

export function readSyncWorkerSettings(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
