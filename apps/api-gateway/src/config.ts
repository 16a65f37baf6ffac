import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { commonSettings, databaseSettings, egressSettings, keyRingSettings, readSettings } from '@vane/runtime';
import { TOKEN_PATTERN } from './access/token.js';

/** A setting that may be left out or, as compose files do, left empty. */
const optional = <T extends z.ZodType>(setting: T) => z.literal('').transform(() => undefined).or(setting).optional();

/** Whether a text is a list of IP addresses and networks (RFC 4632), parted by commas. */
const isNetworks = (text: string): boolean => text.split(',').every((one) => ipaddr.isValidCIDR(one.trim()) || ipaddr.isValid(one.trim()));

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
  /** An OpenID provider at which people may sign in: its issuer, our client there, and what its button says. */
  VANE_API_GATEWAY_OIDC_ISSUER: optional(z.url({ protocol: /^https?$/, error: 'must be the issuer of an OpenID provider, an https:// URL' })),
  VANE_API_GATEWAY_OIDC_CLIENT_ID: optional(z.string()),
  VANE_API_GATEWAY_OIDC_CLIENT_SECRET: optional(z.string()),
  VANE_API_GATEWAY_OIDC_LABEL: optional(z.string().max(100)),
  /** Days after which entries of the audit trail are deleted; 0 keeps them for ever. */
  VANE_API_GATEWAY_AUDIT_DAYS: z.coerce.number().int().min(0).max(36_500).default(365),
  /** Reverse proxies whose X-Forwarded-For is believed; without, the address of a caller is whoever connects. */
  VANE_API_GATEWAY_TRUSTED_PROXIES: optional(z.string().refine(isNetworks, 'must be addresses or networks, such as 10.0.0.0/8,::1')),
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
  oidcOf(settings);
  return settings;
}

export type OidcSettings = { issuer: string; clientId: string; clientSecret: string; label: string };

/** The OpenID provider of the settings; null when there is none. Throws when they say only a part, or name one that anybody could listen to. */
export function oidcOf(settings: GatewaySettings): OidcSettings | null {
  const {
    VANE_ENV, VANE_API_GATEWAY_OIDC_ISSUER: issuer, VANE_API_GATEWAY_OIDC_CLIENT_ID: clientId,
    VANE_API_GATEWAY_OIDC_CLIENT_SECRET: clientSecret, VANE_API_GATEWAY_OIDC_LABEL: label,
  } = settings;
  if (issuer === undefined && clientId === undefined && clientSecret === undefined && label === undefined) return null;
  if (issuer === undefined || clientId === undefined || clientSecret === undefined || label === undefined) {
    throw new Error('VANE_API_GATEWAY_OIDC_ISSUER, _CLIENT_ID, _CLIENT_SECRET and _LABEL belong together: set all, or none.');
  }
  if (VANE_ENV === 'production' && !issuer.startsWith('https:')) {
    throw new Error('VANE_API_GATEWAY_OIDC_ISSUER: must be an https:// URL in production.');
  }
  return { issuer, clientId, clientSecret, label };
}
