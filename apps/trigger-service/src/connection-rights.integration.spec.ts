import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import * as contracts from '@vane/contracts';
import { toWireError, VaneError, type Actor, type CallContext, type InputOf, type Operation, type TriggerView } from '@vane/contracts';
import { Database, newId, newSealingKeyPair } from '@vane/db';
import { Bus, createLogger, deliveryStream, startApp, SystemClock, type NatsConnection } from '@vane/runtime';
import { createTestDatabase, eventually, WatchedLogs, type TestDatabase } from '@vane/testing';
import { startGithubFake, type GithubFake } from '../../../libs/adapters/src/github/fake/server.js';
import { issueToken } from '../../../libs/adapters/src/github/fake/oauth.js';
import { AppModule } from './app.module.js';
import { readTriggerSettings } from './config.js';

const prefix = `spec_${randomBytes(5).toString('hex')}`;
const natsUrl = process.env.VANE_NATS_URL ?? 'nats://127.0.0.1:4222';
const key = () => randomBytes(32).toString('base64');
const clock = new SystemClock();
const connection = newId('connection', clock.now());

let logs: WatchedLogs;
let testDatabase: TestDatabase;
let database: Database;
let app: Awaited<ReturnType<typeof startApp>>;
let bus: Bus;
let nats: NatsConnection;
let github: GithubFake;
let workspace: string;
let runnableId: string;
/** What oauth-service would know of the connection. */
let held: { ownerId: string | null; scopes: string[]; status: string; login: string };

const person = (role: Actor['role']) => ({ kind: 'user' as const, role, label: role, id: newId('user', clock.now()) });
const [owner, editor, admin] = [person('editor'), person('editor'), person('admin')];
const as = (who: typeof owner): CallContext => ({ correlationId: 'spec', actor: { ...who, userId: who.id } });

/** Plays oauth-service, which has rules of its own about who may see a connection. */
function play<O extends Operation>(operation: O, reply: (input: InputOf<O>, call: CallContext) => unknown): void {
  bus.connection().subscribe(`${prefix}.rpc.${operation.owner}.${operation.name}`, {
    callback: (_error, message) => {
      const { input, call } = message.json<{ input: InputOf<O>; call: CallContext }>();
      try {
        message.respond(JSON.stringify({ ok: true, output: reply(input, call) }));
      } catch (error) {
        message.respond(JSON.stringify({ ok: false, error: toWireError(error as VaneError) }));
      }
    },
  });
}

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  logs = new WatchedLogs();
  database = Database.connect({ url: testDatabase.url, applicationName: 'spec', maxConnections: 2 });
  github = await startGithubFake();
  const settings = readTriggerSettings({
    VANE_ENV: 'test', VANE_PREFIX: prefix, VANE_NATS_URL: natsUrl, LOG_LEVEL: 'silent', PORT: '0', VANE_DATABASE_URL: testDatabase.url, VANE_EGRESS_ALLOW: '127.0.0.1',
    VANE_REDIS_URL: process.env.VANE_REDIS_URL ?? 'redis://127.0.0.1:6379', VANE_PUBLIC_URL: 'https://hooks.example',
    VANE_KEYS_HOOKS: `k1:${key()}`, VANE_KEYS_DATA_PUBLIC: (await newSealingKeyPair('k1')).public, VANE_INGRESS_KEY_SECRET: key(),
  });
  app = await startApp({ name: 'trigger-service', settings, module: AppModule.with(settings) });
  bus = Bus.open({ url: natsUrl, tls: false, prefix, app: 'tools', logger: createLogger({ app: 'spec', level: 'silent' }) });
  nats = await new Promise<NatsConnection>((resolve) => bus.whenConnected((opened) => resolve(opened)));
  play(contracts.getConnection, (_input, { actor }) => {
    const usable = held.ownerId === null || held.ownerId === actor.userId;
    if (!usable && actor.role === 'editor') throw new VaneError('forbidden', 'This connection is private to another member.');
    const at = clock.now().toISOString();
    return {
      id: connection, service: 'github', integrationId: newId('integration', clock.now()), name: null, accountId: '1', accountLabel: held.login, private: held.ownerId !== null,
      ownerId: held.ownerId, usable, scopes: held.scopes, status: held.status, statusSince: at, reasonCode: null, reason: null, expiresAt: null, createdAt: at, updatedAt: at, version: 1,
    };
  });
  play(contracts.getAccessToken, () => {
    const { token } = issueToken(github.state, { login: held.login, scopes: held.scopes });
    return {
      accessToken: token, tokenType: 'bearer', generation: 1, expiresAt: null, service: 'github', hosts: { web: github.url, api: `${github.url}/api/v3` },
      accountId: held.login, scopes: held.scopes,
    };
  });
  await nats.flush();
  workspace = newId('workspace', clock.now());
  await database.pool.query('INSERT INTO workspace (id, name, created_at) VALUES ($1, $1, $2)', [workspace, clock.now()]);
  const spec = { kind: 'script' as const, code: 'export async function main() { return 1; }' };
  runnableId = (await bus.ask(contracts.createRunnable, { workspace, name: 's', spec }, as(owner))).id;
});
afterAll(async () => {
  await app.close();
  await (await jetstreamManager(nats)).streams.delete(deliveryStream(prefix)).catch(() => undefined);
  await bus.close();
  await github.close();
  await database.close();
  await testDatabase.drop();
  logs.expectNoSecrets();
});

beforeEach(() => {
  held = { ownerId: null, scopes: ['admin:repo_hook'], status: 'active', login: 'octocat' };
});

const config = (events: string[]) => ({ repository: 'octocat/hello-world', events });
const create = (who = owner, events = ['push']) =>
  bus.ask(contracts.createTrigger, { workspace, name: 't', service: 'github', type: 'repository', connectionId: connection, config: config(events), runnableId }, as(who));
const change = (who: typeof owner, { id, version }: TriggerView, more: { name?: string; config?: ReturnType<typeof config>; runnableId?: string }) =>
  bus.ask(contracts.updateTrigger, { workspace, trigger: id, ifMatch: version, ...more }, as(who));
const read = (who: typeof owner, trigger: string) => bus.ask(contracts.getTrigger, { workspace, trigger }, as(who));
const lookBehind = (who: typeof owner, trigger: string) => bus.ask(contracts.getProviderView, { workspace, trigger }, as(who));
const remove = (who: typeof owner, { id }: Pick<TriggerView, 'id'>) => bus.ask(contracts.deleteTrigger, { workspace, trigger: id }, as(who));
const rotate = (who: typeof owner, { subscription }: TriggerView) =>
  bus.ask(contracts.rotateSubscriptionSecret, { workspace, subscription: subscription!.id, overlap: 'now' }, as(who));
const hooks = () => [...github.state.repos.values()].flatMap((repo) => repo.hooks);
const FORBIDDEN = { code: 'forbidden', message: expect.stringContaining('private to another member') };

describe('a trigger on a connection that is private', () => {
  let trigger: TriggerView;
  beforeEach(async () => {
    held.ownerId = owner.id;
    trigger = await create(owner);
  });

  it.each([['another editor', editor], ['an admin', admin]])('is not made, aimed anew, looked behind or given another secret by %s', async (_who, who) => {
    const asked = github.state.requests.length;
    await expect(create(who)).rejects.toMatchObject(FORBIDDEN);
    await expect(change(who, trigger, { config: config(['issues']) })).rejects.toMatchObject(FORBIDDEN);
    await expect(change(who, trigger, { runnableId })).rejects.toMatchObject(FORBIDDEN);
    await expect(lookBehind(who, trigger.id)).rejects.toMatchObject(FORBIDDEN);
    const pick = { workspace, connection, triggerType: 'repository', picker: 'repositories' };
    await expect(bus.ask(contracts.pick, pick, as(who))).rejects.toMatchObject(FORBIDDEN);
    expect(github.state.requests).toHaveLength(asked);
    expect(await read(who, trigger.id)).toMatchObject({ version: trigger.version, config: config(['push']), subscription: { secretRotation: null } });
    await remove(owner, trigger);
  });

  it.each([['another editor', editor], ['an admin', admin]])('is renamed, paused, resumed and deleted by %s', async (_who, who) => {
    await expect(change(who, trigger, { name: 'theirs' })).resolves.toMatchObject({ name: 'theirs' });
    const one = { workspace, trigger: trigger.id };
    await expect(bus.ask(contracts.pauseTrigger, one, as(who))).resolves.toMatchObject({ status: 'paused' });
    await expect(bus.ask(contracts.resumeTrigger, one, as(who))).resolves.toMatchObject({ status: 'enabled' });
    await expect(remove(who, trigger)).resolves.toMatchObject({ subscription: { status: 'removed' } });
    expect(hooks()).toEqual([]);
  });

  it('is aimed anew, looked behind and given another secret by the owner', async () => {
    const changed = await change(owner, trigger, { config: config(['issues']), runnableId });
    expect(await lookBehind(owner, changed.id)).toMatchObject({ state: 'present', fields: { events: ['issues'] } });
    const { secret } = hooks()[0]!.config;
    await expect(rotate(owner, changed)).resolves.toMatchObject({ status: 'active' });
    expect(hooks()[0]!.config.secret).not.toBe(secret);
    await remove(owner, trigger);
  });
});

describe('a connection that lacks a scope', () => {
  it('is told before anything is registered, with how to ask for more', async () => {
    held.scopes = ['read:user'];
    const asked = github.state.requests.length;
    const failure = { code: 'scopes_missing', fields: [{ path: 'connectionId' }] };
    await expect(create()).rejects.toMatchObject({ ...failure, message: expect.stringMatching(/admin:repo_hook.*POST .*connections\/con_\w+\/reconnect .*\{"triggerTypes": \["repository"\]\}/) });
    const pick = { workspace, connection, triggerType: 'repository', picker: 'repositories' };
    await expect(bus.ask(contracts.pick, pick, as(owner))).rejects.toMatchObject(failure);
    expect(github.state.requests).toHaveLength(asked);
    const { rows } = await database.pool.query('SELECT id FROM trigger');
    expect(rows).toEqual([]);
  });

  it('is told when the config is changed, not when what leaves the service alone is', async () => {
    const trigger = await create();
    held.scopes = ['read:user'];
    await expect(change(owner, trigger, { config: config(['issues']) })).rejects.toMatchObject({ code: 'scopes_missing' });
    await expect(change(owner, trigger, { name: 'other', runnableId })).resolves.toMatchObject({ name: 'other' });
    held.scopes = ['repo'];
    await remove(owner, trigger);
  });

  it('does not lack what a wider scope includes', async () => {
    held.scopes = ['repo'];
    await remove(owner, await create());
  });
});

describe('what a connection has registered, when another account takes it over', () => {
  const reapply = () => bus.ask(contracts.reapplySubscriptions, { workspace, connection }, as(owner));
  const sweep = async () => {
    await bus.ask(contracts.sweepSubscriptions, { limit: 20 }, as(owner));
    for (const item of (await bus.ask(contracts.dueWork, { limit: 20 }, as(owner))).items) await bus.ask(contracts.doWork, item, as(owner));
  };
  const status = async (id: string) => (await read(owner, id)).subscription;

  it('is changed in the new name', async () => {
    const trigger = await create();
    const [hook] = hooks();
    hook!.config.url = 'https://elsewhere.example/';
    held.login = 'hubot';
    expect(await reapply()).toEqual({ due: 1, busy: 0 });
    await sweep();
    expect(hooks()).toMatchObject([{ id: hook!.id, config: { url: trigger.callbackUrl } }]);
    expect(await status(trigger.id)).toMatchObject({ status: 'active', attempts: 0 });
    await remove(owner, trigger);
  });

  it('is registered anew when the new account does not find it', async () => {
    const trigger = await create();
    const [old] = hooks();
    for (const repo of github.state.repos.values()) repo.hooks = [];
    await reapply();
    await sweep();
    const [made] = hooks();
    expect(made!.id).not.toBe(old!.id);
    expect(await status(trigger.id)).toMatchObject({ status: 'active', externalId: String(made!.id) });
    await remove(owner, trigger);
  });

  it('stays as it is, and says why, when the new account may not do that', async () => {
    const trigger = await create();
    for (const repo of github.state.repos.values()) repo.admin = false;
    await reapply();
    await sweep();
    expect(await status(trigger.id)).toMatchObject({ status: 'degraded', externalId: String(hooks()[0]!.id) });
    for (const repo of github.state.repos.values()) repo.admin = true;
    await remove(owner, trigger);
  });

  it('is left, and counted, while somebody is at it', async () => {
    const trigger = await create();
    const { id } = (await status(trigger.id))!;
    await database.pool.query(`UPDATE subscription SET lease_owner = 'somebody', lease_until = $2 WHERE id = $1`, [id, clock.in(60_000)]);
    expect(await reapply()).toEqual({ due: 0, busy: 1 });
    await database.pool.query(`UPDATE subscription SET lease_owner = NULL, lease_until = NULL WHERE id = $1`, [id]);
    expect(await reapply()).toEqual({ due: 1, busy: 0 });
    await sweep();
    await eventually('the hook to be applied', async () => (await status(trigger.id))?.status === 'active');
    await remove(owner, trigger);
    expect(await reapply()).toEqual({ due: 0, busy: 0 });
  });
});
