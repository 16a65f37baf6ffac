import { z } from 'zod';
import { commonSettings, databaseSettings, readSettings } from '@vane/runtime';
import { TOKEN_PATTERN } from './access/token.js';

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  /** Where browsers and clients reach this API; https makes cookies Secure. */
  VANE_API_URL: z.url({ protocol: /^https?$/, error: 'must be the http(s):// URL under which this API is reached' }),
  VANE_BOOTSTRAP_TOKEN: z
    .string()
    .regex(TOKEN_PATTERN, 'must be vat_ and 43 characters of base64url (32 random bytes)')
    .optional(),
  /** Longest time a caller is kept waiting, whatever an operation would allow; for proxies that give up early. */
  VANE_API_GATEWAY_MAX_WAIT_MS: z.coerce.number().int().min(100).max(120_000).default(60_000),
};

export type GatewaySettings = z.output<z.ZodObject<typeof settingsShape>>;

/** Settings of the gateway from the environment; throws one error that names every wrong variable. */
export const gatewaySettings = (environment: Record<string, string | undefined> = process.env): GatewaySettings =>
  readSettings(settingsShape, environment);
