import { randomBytes, randomUUID } from 'node:crypto';
import { loadAdapters } from '@vane/adapters';
import { createIntegration, getAccessToken, listConnections, systemCall } from '@vane/contracts';
import { newId, openKeyRing, Vault } from '@vane/db';
import { createServiceHttp, EgressClient, HookKeys, hookUrl, parseEgressAllow, SystemClock } from '@vane/runtime';
import { Problem } from '../../launch/index.mjs';
import { authorise, type Ask } from '../authorise.js';
import type { CalendarService } from './calendar-service.js';
import type { Site } from './sync-house.js';

const SERVICE = 'google';
const TYPE = 'calendar-events';
const AT_ONCE = 16;

export type Tenant = { workspace: string; connection: string };

/** A workspace with one connection to the stand-in, made through oauth-service as a member makes it. */
export async function connect(site: Site, service: CalendarService): Promise<Tenant> {
  const now = new Date();
  const workspace = newId('workspace', now);
  await site.database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $2, $3)', [workspace, 'Bench', now]);
  const ask: Ask = (operation, input) => site.bus.ask(operation, input, systemCall('trigger-service', randomUUID()));
  const hosts = Object.fromEntries(['accounts', 'oauth2', 'openid', 'api'].map((name) => [name, service.url]));
  const integration = await ask(createIntegration, { workspace, service: SERVICE, name: 'Bench', ...service.client, hosts });
  await authorise(ask, workspace, integration, [TYPE]);
  const { items } = await ask(listConnections, { workspace, limit: 1 });
  return { workspace, connection: items[0]!.id };
}

type Row = {
  feed: string; trigger: string; subscription: string; resource: string; key: string; secrets: string; cursor: string; aux: string; registered: Date; expires: Date;
};

/**
 * Calendars with a trigger each, listened to since now: registered at the stand-in by the adapter, and written as
 * trigger-service leaves what it has registered. Over the API it would take minutes.
 */
export async function listen(site: Site, service: CalendarService, tenant: Tenant, count: number): Promise<void> {
  const calendars = Array.from({ length: count }, (_, index) => `calendar-${index}@group.calendar.example.test`);
  await service.addCalendars(calendars);
  const register = await registrar(site, service, tenant);
  const rows: Row[] = [];
  const left = [...calendars];
  const work = async () => {
    for (let calendar = left.shift(); calendar !== undefined; calendar = left.shift()) rows.push(await register(calendar));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await insert(site, tenant, rows);
}

async function registrar(site: Site, service: CalendarService, { workspace, connection }: Tenant): Promise<(calendar: string) => Promise<Row>> {
  const environment = site.environments['trigger-service'];
  const clock = new SystemClock();
  const adapter = (await loadAdapters()).get(SERVICE);
  const type = adapter?.triggerTypes[TYPE];
  if (!adapter || !type?.remote || !type.pull) throw new Problem(`The adapter ${SERVICE} is not there as it is expected: build Vane first.`);
  const { remote, pull } = type;
  const info = await site.bus.ask(getAccessToken, { workspace, connection }, systemCall('trigger-service', randomUUID()));
  const egress = new EgressClient({ policy: { allow: parseEgressAllow(new URL(service.url).host) } });
  site.closers.push(() => egress.close());
  const http = createServiceHttp({ adapter, hosts: info.hosts, egress, clock, token: async () => info });
  const vault = new Vault({ database: site.database, ring: 'hooks', keys: openKeyRing(environment, 'VANE_KEYS_HOOKS'), clock });
  const keys = new HookKeys(environment['VANE_INGRESS_KEY_SECRET'] ?? '');
  return async (calendar) => {
    const now = clock.now();
    const [feed, trigger, subscription] = [newId('feed', now), newId('trigger', now), newId('subscription', now)];
    const { resource, want } = type.plan(type.config.parse({ calendarId: calendar }));
    const [key, secret] = [keys.mint(), randomBytes(32).toString('base64url')];
    const secrets = await vault.encrypt(JSON.stringify([secret]), { table: 'subscription', row: subscription, column: 'secrets_enc', workspaceId: workspace });
    const cursor = await pull.begin(http, { resource, want });
    const callbackUrl = hookUrl(environment['VANE_PUBLIC_URL'] ?? '', key);
    const { aux, expiresAt } = await remote.register(http, { id: subscription, resource, want, callbackUrl, secret, now });
    return { feed, trigger, subscription, resource, key, secrets, cursor, aux: JSON.stringify(aux), registered: now, expires: new Date(expiresAt!) };
  };
}

async function insert(site: Site, { workspace, connection }: Tenant, rows: Row[]): Promise<void> {
  const { pool } = site.database;
  const all = <Name extends keyof Row>(name: Name) => rows.map((row) => row[name]);
  const common = [workspace, connection, SERVICE, TYPE];
  await pool.query(
    `INSERT INTO feed (id, workspace_id, connection_id, service, trigger_type, resource, created_at)
     SELECT id, $1, $2, $3, $4, resource, at FROM unnest($5::text[], $6::text[], $7::timestamptz[]) AS row (id, resource, at)`,
    [...common, all('feed'), all('resource'), all('registered')],
  );
  await pool.query(
    `INSERT INTO trigger (id, workspace_id, connection_id, service, type, feed_id, name, config, want, status, version, resync, on_drift, created_at, updated_at)
     SELECT id, $1, $2, $3, $4, feed, 'Bench', jsonb_build_object('calendarId', resource), '{}', 'enabled', 1, 'from_now', 'restore', at, at
     FROM unnest($5::text[], $6::text[], $7::text[], $8::timestamptz[]) AS row (id, feed, resource, at)`,
    [...common, all('trigger'), all('feed'), all('resource'), all('registered')],
  );
  await pool.query(
    `INSERT INTO feed_pull (feed_id, workspace_id, cursor, replaying, wanted, done, due_at, pulled_at, failures, recovered, created_at)
     SELECT feed, $1, cursor, false, 0, 0, at + interval '1 day', at, 0, 0, at FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS row (feed, cursor, at)`,
    [workspace, all('feed'), all('cursor'), all('registered')],
  );
  await pool.query(
    `INSERT INTO subscription (id, workspace_id, connection_id, service, trigger_type, feed_id, resource, key, secrets_enc, aux, secret_version, applied_secret, want, applied,
       external_id, public_url, connection_since, registered_at, expires_at, renew_at, alarm_at, status, status_since, attempts, version, created_at)
     SELECT id, $1, $2, $3, $4, feed, resource, key, secrets, aux, 1, 1, '{}', '{}', id, $5, (SELECT status_since FROM connection WHERE workspace_id = $1 AND id = $2),
       at, expires, at + (expires - at) * 0.7, at + (expires - at) * 0.85, 'active', at, 0, 1, at
     FROM unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::timestamptz[], $13::timestamptz[])
       AS row (id, feed, resource, key, secrets, aux, at, expires)`,
    [
      ...common, site.environments['trigger-service']['VANE_PUBLIC_URL'], all('subscription'), all('feed'), all('resource'), all('key'), all('secrets'), all('aux'),
      all('registered'), all('expires'),
    ],
  );
}
