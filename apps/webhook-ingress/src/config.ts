import { adapterSettings, commonSettings, databaseSettings, keyRingSettings, readSettings } from '@vane/runtime';
import { z } from 'zod';

/** Bodies up to this many bytes fit a bus message with its header; more is refused with 413. */
export const MAX_BODY_BYTES = 900 * 1024;

/**
 * What one process has under way at most. At a bus that confirms within a tenth of a second, so many requests at once are
 * more than it can take in; held bodies would otherwise grow until the process is killed with all of them.
 */
export const HOOK_LIMITS = { bodyBytes: MAX_BODY_BYTES, requests: 2_000, heldBytes: 256 * 1024 * 1024 };

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  ...adapterSettings,
  ...keyRingSettings('VANE_KEYS_HOOKS'),
  ...keyRingSettings('VANE_KEYS_DATA_PUBLIC'),
  VANE_INGRESS_KEY_SECRET: z.string().min(1),
};

export type IngressSettings = ReturnType<typeof readIngressSettings>;

export function readIngressSettings(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
