import { adapterSettings, commonSettings, databaseSettings, egressSettings, keyRingSettings, readSettings } from '@vane/runtime';
import { z } from 'zod';
import { LONGEST_REQUEST_MS } from './refresh-times.js';

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  ...egressSettings,
  ...adapterSettings,
  /** Where browsers reach the gateway: start URLs and the redirect URI are below it. */
  VANE_API_URL: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }).transform((url) => url.replace(/\/+$/, '')),
  ...keyRingSettings('VANE_KEYS_OAUTH'),
  /** Longest token request, in milliseconds; the refresh lease and the callers' wait follow from it. */
  VANE_OAUTH_SERVICE_TOKEN_REQUEST_MS: z.coerce.number().int().min(500).max(LONGEST_REQUEST_MS).default(LONGEST_REQUEST_MS),
};

export type Settings = ReturnType<typeof readConfig>;

/** The settings of this app out of environment variables; throws one error that names every wrong one. */
export function readConfig(environment: Record<string, string | undefined> = process.env) {
  return readSettings(settingsShape, environment);
}
