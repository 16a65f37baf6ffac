import { describe, expect, it } from '@jest/globals';
import { APPS, type AppName } from '@vane/contracts';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { appNeeds } from './launch/app-environments.mjs';
import { defaultPorts } from './launch/ports.mjs';
import { passwordVariable } from './src/gen/bus-permissions.js';

type Service = {
  image: string; command?: string[]; entrypoint?: string[]; profiles?: string[]; ports?: string[]; user?: string; environment?: Record<string, string | number>;
  healthcheck?: { test?: string[]; disable?: boolean }; depends_on?: Record<string, { condition: string }>; volumes?: string[];
};
type Compose = { services: Record<string, Service> };

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const read = (path: string) => readFileSync(at(path), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const servers = parse(read('deploy/servers.compose.yml')) as Compose;
const environmentOf = (app: string) => compose.services[app]!.environment ?? {};
const secretNames = [...new Set(Object.values(appNeeds).flatMap(({ secrets }) => secrets))];

async function shapeOf(app: AppName): Promise<z.ZodRawShape> {
  return ((await import(`../apps/${app}/src/config.ts`)) as { settingsShape: z.ZodRawShape }).settingsShape;
}

const isRequired = (schema: z.core.$ZodType) => !z.object({ value: schema }).safeParse({}).success;

describe.each(APPS)('%s in docker-compose.yml', (app) => {
  it('is given every setting it requires and none it does not know', async () => {
    const shape = await shapeOf(app);
    const given = Object.keys(environmentOf(app));
    expect(given).toEqual(expect.arrayContaining(Object.keys(shape).filter((name) => isRequired(shape[name]!))));
    expect(given.filter((name) => !(name in shape))).toEqual([]);
  });

  it('is given the keys that ./vane gives it, and no other', () => {
    expect(Object.keys(environmentOf(app)).filter((name) => secretNames.includes(name)).sort()).toEqual([...appNeeds[app].secrets].sort());
  });

  it('takes every key and password from a variable that must be set', () => {
    for (const [name, value] of Object.entries(environmentOf(app))) {
      if (secretNames.includes(name)) expect(value).toMatch(new RegExp(`^\\$\\{${name}:\\?.+\\}$`));
    }
    expect(environmentOf(app)['VANE_NATS_URL']).toMatch(new RegExp(`^nats://${app}:\\$\\{${passwordVariable(app)}:\\?[^}]+\\}@nats:4222$`));
  });

  it('listens on its own port, as production, and runs its own program', () => {
    const service = compose.services[app]!;
    expect(service.command).toEqual([`dist/${app}.js`]);
    expect(existsSync(at(`apps/${app}/src/main.ts`))).toBe(true);
    expect(environmentOf(app)).toMatchObject({ PORT: defaultPorts[app], HOST: '0.0.0.0', VANE_ENV: 'production', VANE_PREFIX: 'vane' });
    expect(service.healthcheck?.test?.join(' ')).toContain('/readyz');
    expect(service.depends_on).toMatchObject({ migrate: { condition: 'service_completed_successfully' }, nats: { condition: 'service_healthy' } });
  });

  it('would start with these settings', async () => {
    const shape = await shapeOf(app);
    const filled = Object.fromEntries(Object.entries(environmentOf(app)).map(([name, value]) => [name, fill(name, String(value))]));
    const result = z.object(shape).safeParse(filled);
    expect(result.error?.issues ?? []).toEqual([]);
  });
});

/** Puts something in the place of each variable, as compose would. */
function fill(name: string, value: string): string {
  return value.replace(/\$\{(\w+)(?::([?-])([^}]*))?\}/g, (_, variable: string, kind: string, standard: string) => {
    if (kind === '-') return standard;
    if (variable === 'VANE_BOOTSTRAP_TOKEN') return `vat_${'a'.repeat(43)}`;
    return variable.endsWith('_URL') ? 'http://localhost:3000' : `p0for${name}`;
  });
}

it('has the apps, what migrates the database and looks after keys, and the servers, and nothing else', () => {
  expect(Object.keys(compose.services).sort()).toEqual([...APPS, 'keys', 'migrate', 'postgres', 'redis', 'nats'].sort());
});

it('lets only the API and the webhooks be reached from outside', () => {
  const published = Object.entries(compose.services).filter(([, { ports }]) => ports).map(([name]) => name);
  expect(published.sort()).toEqual(['api-gateway', 'webhook-ingress']);
  for (const app of ['api-gateway', 'webhook-ingress'] as const) expect(compose.services[app]!.ports).toEqual([expect.stringMatching(new RegExp(`:${defaultPorts[app]}$`))]);
});

it('looks after keys on demand only, with every ring there is', () => {
  const { environment, profiles, entrypoint } = compose.services['keys']!;
  expect(profiles).toEqual(['keys']);
  expect(entrypoint?.at(-1)).toBe('dist/keys-cli.js');
  expect(Object.keys(environment ?? {}).sort()).toEqual([...secretNames.filter((name) => name.startsWith('VANE_KEYS_')), 'VANE_DATABASE_URL'].sort());
});

it('every service tells whether it is healthy, but those that end', () => {
  for (const [name, { healthcheck }] of Object.entries(compose.services)) {
    expect([name, ['migrate', 'keys'].includes(name) ? healthcheck?.disable : Array.isArray(healthcheck?.test)]).toEqual([name, true]);
  }
});

it('NATS gets the password of every user its configuration names, and each is required', () => {
  const named = [...read('deploy/nats.conf').matchAll(/password: \$(\w+)/g)].map((match) => match[1]!);
  expect(named.sort()).toEqual(APPS.map(passwordVariable).sort());
  const given = environmentOf('nats');
  expect(Object.keys(given).sort()).toEqual(named);
  for (const [name, value] of Object.entries(given)) expect(value).toMatch(new RegExp(`^\\$\\{${name}:\\?`));
  expect(compose.services['nats']!.volumes).toContain('./deploy/nats.conf:/etc/vane/nats.conf:ro');
});

it('no password has a default, in any server', () => {
  expect(environmentOf('postgres')['POSTGRES_PASSWORD']).toMatch(/^\$\{VANE_POSTGRES_PASSWORD:\?/);
  expect(environmentOf('redis')['REDISCLI_AUTH']).toMatch(/^\$\{VANE_REDIS_PASSWORD:\?/);
  expect(read('docker-compose.yml')).not.toMatch(/\$\{VANE_(KEYS|BOOTSTRAP|INGRESS_KEY|\w+_PASSWORD)\w*(:?-|\})/);
});

it('every variable that docker compose asks for is in .env.example', () => {
  const asked = [...read('docker-compose.yml').matchAll(/\$\{(\w+):\?/g)].map((match) => match[1]!);
  for (const name of new Set(asked)) expect(read('.env.example')).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
});

it('the servers for ./vane are the same as those of the whole, on ports of this machine only', () => {
  expect(Object.keys(servers.services).sort()).toEqual(['nats', 'postgres', 'redis']);
  for (const [name, { image, ports, healthcheck }] of Object.entries(servers.services)) {
    expect(image).toBe(compose.services[name]!.image);
    expect(ports).toEqual([expect.stringMatching(/^127\.0\.0\.1::\d+$/)]);
    expect(healthcheck?.test).toBeDefined();
  }
});

describe('the image', () => {
  const dockerfile = read('Dockerfile');
  const ignored = read('.dockerignore').split('\n');

  it('runs as a user without rights, in stages, on a Node that Vane supports', () => {
    const stages = [...dockerfile.matchAll(/^FROM node:(\d+)\S*(?: AS (\w+))?$/gm)];
    expect(stages.length).toBeGreaterThan(1);
    expect(stages.at(-1)![2]).toBeUndefined();
    for (const [, major] of stages) expect(Number(major)).toBeGreaterThanOrEqual(22);
    expect(dockerfile.slice(dockerfile.lastIndexOf('FROM '))).toMatch(/^USER node$/m);
  });

  it('is made without secrets, git history and what is built outside', () => {
    expect(ignored).toEqual(expect.arrayContaining(['.env', '.git', '**/node_modules', '**/dist', '.vane']));
  });
});
