import { z } from 'zod';
import { commonSettings, databaseSettings, egressSettings, keyRingSettings, readSettings } from '@vane/runtime';
import { TOKEN_PATTERN } from './access/token.js';

/** A setting that may be left out or, as compose files do, left empty. */
const optional = <T extends z.ZodType>(setting: T) => z.literal('').transform(() => undefined).or(setting).optional();

export const settingsShape = {
  ...commonSettings,
  ...databaseSettings,
  ...egressSettings,
  /** Where browsers and clients reach this API; https makes cookies Secure. */
  VANE_API_URL: z.url({ protocol: /^https?$/, error: 'must be the http(s):// URL under which this API is reached' }),
  VANE_BOOTSTRAP_TOKEN: z
    .string()
    .regex(TOKEN_PATTERN, 'must be vat_ and 43 characters of base64url (32 random bytes)')
    .optional(),
  ...keyRingSettings('VANE_KEYS_ACCESS'),
  /** Sends notifications by mail; user and password may stand in it. */
  VANE_API_GATEWAY_SMTP_URL: optional(z.url({ protocol: /^smtps?$/, error: 'must be smtp://user:password@host:port or smtps://' })),
  VANE_API_GATEWAY_SMTP_FROM: optional(z.email({ error: 'must be the e-mail address that notifications come from' })),
  /** Days after which entries of the audit trail are deleted; 0 keeps them for ever. */
  VANE_API_GATEWAY_AUDIT_DAYS: z.coerce.number().int().min(0).max(36_500).default(365),
  /** Longest time a caller is kept waiting, whatever an operation would allow; for proxies that give up early. */
  VANE_API_GATEWAY_MAX_WAIT_MS: z.coerce.number().int().min(100).max(120_000).default(60_000),
};

export type GatewaySettings = z.output<z.ZodObject<typeof settingsShape>>;

/** Settings of the gateway from the environment; throws one error that names every wrong variable. */
export function gatewaySettings(environment: Record<string, string | undefined> = process.env): GatewaySettings {
  const settings = readSettings(settingsShape, environment);
  if ((settings.VANE_API_GATEWAY_SMTP_URL === undefined) !== (settings.VANE_API_GATEWAY_SMTP_FROM === undefined)) {
    throw new Error('VANE_API_GATEWAY_SMTP_URL and VANE_API_GATEWAY_SMTP_FROM belong together: set both, or neither.');
  }
  return settings;
}
