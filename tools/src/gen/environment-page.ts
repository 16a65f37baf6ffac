import { APPS, type AppName } from '@vane/contracts';
import { z } from 'zod';
import { passwordVariable } from './bus-permissions.js';

export type SettingsShapes = Record<AppName, z.ZodRawShape>;

/** What each setting of an app is for. A setting that is missing here, or here and in no app, is refused. */
const SETTINGS: Record<string, string> = {
  VANE_ENV: 'development, test or production. Production refuses keys that others could know, and adapters from VANE_EXTRA_ADAPTERS.',
  VANE_PREFIX: 'First word of every subject, stream, queue and key, so that several installations share servers.',
  VANE_PUBLIC_URL: 'Where services reach webhook-ingress from outside.',
  VANE_API_URL: 'Where browsers and clients reach api-gateway; the redirect URI of OAuth is below it.',
  VANE_DATABASE_URL: 'PostgreSQL 15 or later.',
  VANE_DATABASE_CONNECTIONS: 'Largest number of database connections of one process.',
  VANE_REDIS_URL: 'Redis 7 or Valkey.',
  VANE_NATS_URL: 'NATS 2.9 or later with JetStream; user and password may stand in it. Several, separated by commas.',
  VANE_NATS_TLS: 'true to require TLS on the bus.',
  VANE_KEYS_OAUTH: 'Key ring of OAuth credentials: "node dist/keys-cli.js oauth" makes one.',
  VANE_KEYS_HOOKS: 'Key ring of webhook secrets: "node dist/keys-cli.js hooks" makes one.',
  VANE_KEYS_ACCESS: 'Key ring of what the gateway keeps for people: "node dist/keys-cli.js access" makes one.',
  VANE_KEYS_DATA_PUBLIC: 'Public half of the ring for secrets of scripts: "node dist/keys-cli.js data" makes both.',
  VANE_KEYS_DATA_PRIVATE: 'Private half of the same ring.',
  VANE_INGRESS_KEY_SECRET: 'Authenticates the keys in webhook URLs: 32 random bytes in base64.',
  VANE_BOOTSTRAP_TOKEN: 'The first token, a superadmin: vat_ and 32 random bytes in base64url.',
  VANE_EGRESS_ALLOW: 'Private addresses that outgoing calls may reach all the same, separated by commas.',
  VANE_EXTRA_ADAPTERS: 'Paths of further adapters, separated by commas.',
  VANE_API_GATEWAY_OIDC_ISSUER: 'OpenID provider at which people may sign in; its redirect URI is VANE_API_URL/auth/oidc/callback.',
  VANE_API_GATEWAY_OIDC_CLIENT_ID: 'Client id there. These four belong together.',
  VANE_API_GATEWAY_OIDC_CLIENT_SECRET: 'Client secret there.',
  VANE_API_GATEWAY_OIDC_LABEL: 'What people call the provider, for the button.',
  VANE_API_GATEWAY_TRUSTED_PROXIES: 'Addresses or networks of reverse proxies whose X-Forwarded-For is believed, for limits on sign-in and the audit trail.',
  VANE_API_GATEWAY_AUDIT_DAYS: 'Days for which the audit trail is kept; 0 for ever.',
  VANE_API_GATEWAY_MAX_WAIT_MS: 'Longest time a caller is kept waiting, in milliseconds.',
  VANE_OAUTH_SERVICE_TOKEN_REQUEST_MS: 'Longest token request, in milliseconds; the refresh lease is half as long again, and a second.',
  VANE_API_GATEWAY_SMTP_URL: 'Mail server for notifications, e.g. smtps://user:password@mail.example.com. None: no channels of kind email.',
  VANE_API_GATEWAY_SMTP_FROM: 'Address that notifications come from.',
  VANE_RUN_CONCURRENCY: 'Runs that one run-worker has in hand at once.',
  VANE_SCRIPT_PROCESSES: 'Scripts that one run-worker runs at once.',
  VANE_PULL_EVERY_SECONDS: 'Seconds after which what a service may have told us of is fetched without its telling: messages get lost.',
  VANE_CHECK_EVERY_SECONDS: 'Seconds between two comparisons of a subscription with what its service holds.',
  VANE_LOG_EVERY_SECONDS: 'Seconds between two looks into the log that a service keeps of what it sent, for what never came.',
  VANE_CANARY_EVERY_SECONDS: 'Seconds between two tries of a subscription whether what its service sends arrives; whole days: at night, in UTC. 0: none.',
  LOG_LEVEL: 'fatal, error, warn, info, debug, trace or silent.',
  HOST: 'Address to listen on. ./vane takes it from VANE_HOST, docker compose sets it.',
  PORT: 'Port to listen on. ./vane and docker compose set it.',
};

/** Settings an environment file gives to docker compose only. */
const COMPOSE: [name: string, text: string][] = [
  ['VANE_POSTGRES_PASSWORD', 'Password of the database. Letters and digits only: it becomes part of a URL.'],
  ['VANE_REDIS_PASSWORD', 'Password of Redis. Letters and digits only.'],
  ...APPS.map((app): [string, string] => [passwordVariable(app), `Password of ${app} on the bus. Letters and digits, a letter first.`]),
];

type Setting = { name: string; apps: AppName[]; required: boolean; standard: unknown };

function settingsIn(shapes: SettingsShapes): Setting[] {
  const settings = new Map<string, Setting>();
  for (const app of APPS) {
    for (const [name, schema] of Object.entries(shapes[app])) {
      const known = settings.get(name);
      if (known) known.apps.push(app);
      else settings.set(name, { name, apps: [app], ...standardOf(schema as z.ZodType) });
    }
  }
  // A ring in a file stands in place of the ring itself, which is required all the same.
  const rings = [...settings.values()].filter(({ name }) => settings.has(`${name}_FILE`));
  for (const ring of rings) Object.assign(ring, { required: true, standard: undefined });
  return [...settings.values()].filter(({ name }) => !rings.some((ring) => name === `${ring.name}_FILE`));
}

/** What a setting is without being set: its default, nothing at all, or an error. */
function standardOf(schema: z.ZodType): { required: boolean; standard: unknown } {
  const left = z.object({ value: schema }).safeParse({});
  return left.success ? { required: false, standard: (left.data as { value?: unknown }).value } : { required: true, standard: undefined };
}

const shown = (standard: unknown) => (Array.isArray(standard) ? standard.join(',') : String(standard ?? ''));

function entry({ name, apps, required, standard }: Setting): string {
  const who = apps.length === APPS.length ? 'all apps' : apps.join(', ');
  return `# ${SETTINGS[name]}\n# ${who}; ${required ? 'required' : 'optional'}\n${required ? '' : '# '}${name}=${shown(standard)}\n`;
}

/** `.env.example`: every variable of every app, and those of docker compose. Throws when one has no description. */
export function environmentPage(shapes: SettingsShapes): string {
  const settings = settingsIn(shapes);
  const undescribed = settings.filter(({ name }) => !SETTINGS[name]).map(({ name }) => name);
  const unused = Object.keys(SETTINGS).filter((name) => !settings.some((setting) => setting.name === name));
  if (undescribed.length > 0) throw new Error(`Describe in tools/src/gen/environment-page.ts what is new in an app's settings: ${undescribed.join(', ')}.`);
  if (unused.length > 0) throw new Error(`Remove from tools/src/gen/environment-page.ts what no app knows any more: ${unused.join(', ')}.`);
  const order = Object.keys(SETTINGS);
  const sorted = settings.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return `# Made by "npm run gen" from the settings of the apps. ./vane needs none of these: it finds or makes what is required.
# For docker compose, "node tools/compose-env.mjs" writes a .env with fresh passwords and keys.
# A key ring can also be in a file: VANE_KEYS_OAUTH_FILE (and so on) then names it, and VANE_KEYS_OAUTH is left out.

${sorted.map(entry).join('\n')}
# Only for docker compose

${COMPOSE.map(([name, text]) => `# ${text}\n${name}=\n`).join('\n')}`;
}
