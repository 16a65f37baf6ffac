import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connectionChanged, getAccessToken, getConnection, refreshDueTokens, type ConnectionUses, type InputOf, type postNotification } from '@vane/contracts';
import type { OAuthProfile } from '@vane/kit';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, connect, enterIntegration, openStage, registryOf, until, type Stage } from './fixtures/oauth-stage.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const variant = (id: string, more: Partial<OAuthProfile>) => ({ ...probe, id, oauth: { ...probe.oauth!, ...more } });
const lasting = variant('lasting', { refresh: 'static' });
const once = variant('once', { refresh: 'none' });
const strict = variant('strict', { tokenLimits: 'address' });
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const AUTH_REQUIRED = { code: 'connection_auth_required' };
const REFUSED = json(400, { error: 'invalid_grant', error_description: 'Access was revoked' });

type Posted = InputOf<typeof postNotification>;

let server: TokenServer;
let stage: Stage;
let integration: string;
let connection: string;
let uses: ConnectionUses;
/** What the people of the workspace were told. */
let posted: Posted[];
let gatewayAway: boolean;
let signals: string[];

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: '127.0.0.1', adapters: registryOf(probe, lasting, once, strict), processes: 2 });
  const answer = (subject: string, respond: (input: never) => unknown) =>
    stage.bus.connection().subscribe(`${stage.bus.prefix}.rpc.${subject}`, {
      callback: (_error, message) => void message.respond(JSON.stringify(respond(message.json<{ input: never }>().input))),
    });
  answer('trigger-service.triggers.by-connection', () => ({ ok: true, output: uses }));
  answer('api-gateway.notifications.post', (input: Posted) => {
    if (gatewayAway) return { ok: false, error: { code: 'unavailable', message: 'away', fields: [] } };
    const repeat = posted.some(({ dedupeKey }) => dedupeKey === input.dedupeKey);
    if (!repeat) posted.push(input);
    return { ok: true, output: { posted: !repeat } };
  });
  stage.bus.onSignal(connectionChanged, ({ connectionId, status }) => signals.push(`${connectionId} ${status}`));
  await stage.bus.connection().flush();
});
beforeEach(async () => {
  server.reset();
  [posted, signals, gatewayAway] = [[], [], false];
  uses = { triggerCount: 0, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 };
  await use(probe.id);
});
afterAll(async () => {
  await stage?.close();
  await server?.close();
});

async function use(service: string, base = server.url): Promise<void> {
  await stage.database.prisma.connection.deleteMany({});
  integration = (await enterIntegration(stage, service, base)).id;
  connection = (await connect(stage, integration, newBrowser())).id;
  server.seen.length = 0;
}
const token = (rejectedGeneration?: number) => stage.ask(getAccessToken, { workspace: stage.workspace, connection, rejectedGeneration });
const row = async () => (await stage.database.prisma.connection.findUnique({ where: { id: connection } }))!;
const change = (data: object) => stage.database.prisma.connection.update({ where: { id: connection }, data });
const view = () => stage.ask(getConnection, { workspace: stage.workspace, connection });

describe('a token that the service refuses', () => {
  it('is fetched anew once, and a person is asked when the new one is refused too', async () => {
    await expect(token(1)).resolves.toMatchObject({ generation: 2 });
    expect(await row()).toMatchObject({ status: 'active', rejectedBefore: true });
    const since = stage.clock.now().getTime();
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => token(2)));
    for (const answer of answers) expect(answer).toMatchObject({ status: 'rejected', reason: AUTH_REQUIRED });
    expect(server.refreshes()).toBe(1);
    expect(await view()).toMatchObject({ status: 'auth_required', reasonCode: 'token_rejected', reason: expect.stringContaining('not the one that it issued in its place') });
    expect((await row()).statusSince.getTime()).toBeGreaterThanOrEqual(since);
    await expect(token()).rejects.toMatchObject(AUTH_REQUIRED);
    expect(server.refreshes()).toBe(1);
  });

  it('is fetched anew again when the one before had worked for a while', async () => {
    await token(1);
    stage.clock.advance(6 * MINUTE);
    await expect(token(2)).resolves.toMatchObject({ generation: 3 });
    expect(await row()).toMatchObject({ status: 'active', rejectedBefore: true });
  });

  it('is forgotten with an ordinary refresh', async () => {
    await token(1);
    stage.clock.advance(HOUR);
    await expect(token()).resolves.toMatchObject({ generation: 3 });
    expect((await row()).rejectedBefore).toBe(false);
    await expect(token(3)).resolves.toMatchObject({ generation: 4 });
  });

  it('is forgotten with a new authorisation', async () => {
    await token(1);
    await connect(stage, integration, newBrowser());
    expect(await row()).toMatchObject({ generation: 3, rejectedBefore: false });
    await expect(token(3)).resolves.toMatchObject({ generation: 4 });
  });

  it('never leads to a loop of refreshes, however often and by whomever it is reported', async () => {
    for (let generation = 1; generation <= 20; generation += 1) await token(generation).catch(() => undefined);
    expect(server.refreshes()).toBe(1);
  });
});

describe('why a connection needs a person', () => {
  const cases: [string, string, () => Promise<void>][] = [
    ['dead_grant', probe.id, async () => void (server.bend.token = () => REFUSED)],
    ['maybe_lost', probe.id, async () => {
      server.bend.token = () => REFUSED;
      await change({ refreshIntentAt: stage.clock.now() });
    }],
    ['dead_grant', lasting.id, async () => {
      server.bend.token = () => REFUSED;
      await change({ refreshIntentAt: stage.clock.now() });
    }],
    ['no_refresh_token', once.id, async () => undefined],
  ];
  it.each(cases)('is told as the code %s (%s)', async (code, service, prepare) => {
    await use(service);
    await prepare();
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject(AUTH_REQUIRED);
    expect(await view()).toMatchObject({ status: 'auth_required', reasonCode: code });
    await until(() => signals.includes(`${connection} auth_required`), 'the other apps to be told');
  });

  it('is gone when a refresh that was thought dead succeeds after all', async () => {
    stage.clock.advance(HOUR);
    let arrived = false;
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => { answer = resolve; });
    server.bend.token = (_sent, proper) => {
      arrived = true;
      return { ...proper(), after: held };
    };
    const waiting = token();
    await until(() => arrived, 'the refresh to arrive');
    // Its lease ended, another process got a dead code for the old pair, and gave the connection up.
    await change({ status: 'auth_required', reasonCode: 'maybe_lost', reason: 'lost', leaseOwner: null, leaseUntil: null });
    answer();
    await expect(waiting).resolves.toMatchObject({ generation: 2 });
    expect(await view()).toMatchObject({ status: 'active', reasonCode: null, reason: null });
    await until(() => signals.includes(`${connection} active`), 'the other apps to be told');
  });
});

describe('a connection that is being disconnected', () => {
  beforeEach(async () => {
    await change({ status: 'disconnecting', disconnectAt: stage.clock.now() });
  });

  it('still gets tokens, and goes on being disconnected', async () => {
    stage.clock.advance(HOUR);
    await expect(token()).resolves.toMatchObject({ generation: 2 });
    await expect(token(2)).resolves.toMatchObject({ generation: 3 });
    expect((await row()).status).toBe('disconnecting');
  });

  it('whose grant is dead is asked for once, and nobody is bothered', async () => {
    server.bend.token = () => REFUSED;
    stage.clock.advance(HOUR);
    for (let time = 0; time < 3; time += 1) await expect(token()).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining('revoked') });
    expect(server.refreshes()).toBe(1);
    expect(await row()).toMatchObject({ status: 'disconnecting', reasonCode: 'dead_grant', noticeDue: false });
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect(posted).toEqual([]);
  });
});

describe('the people of the workspace', () => {
  const die = async () => {
    server.bend.token = () => REFUSED;
    stage.clock.advance(HOUR);
    await Promise.allSettled(Array.from({ length: 5 }, () => token()));
    delete server.bend.token;
  };
  const trigger = (name: string) => ({ id: `trg_${name}`, name, type: 'ping', status: 'enabled' as const, scopes: [] });

  it('are told once what is held, why, since when, and what to do', async () => {
    Object.assign(uses, { triggerCount: 2, triggers: [trigger('Mirror'), trigger('Mail')], heldRuns: 3 });
    await die();
    await until(() => posted.length === 1, 'the notification');
    await Promise.all([1, 2, 3].map(() => stage.ask(refreshDueTokens, { limit: 10 })));
    expect(posted).toHaveLength(1);
    const [said] = posted as [Posted];
    const { statusSince } = await row();
    expect(said).toMatchObject({
      workspace: stage.workspace,
      kind: 'connection.auth-required',
      severity: 'critical',
      link: `${API_URL}/workspaces/${stage.workspace}/connections/${connection}`,
      facts: { connectionId: connection, reasonCode: 'dead_grant', triggerCount: 2, heldRuns: 3, since: statusSince.toISOString() },
    });
    for (const words of ['Access was revoked', '2 triggers are held: "Mirror", "Mail"', '3 events are kept', statusSince.toISOString(), `/connections/${connection}/reconnect`]) {
      expect(said.text).toContain(words);
    }
    expect((await row()).noticeDue).toBe(false);
  });

  it('are told when it works again', async () => {
    Object.assign(uses, { triggerCount: 1, triggers: [trigger('Mirror')] });
    await die();
    await until(() => posted.length === 1, 'the first notification');
    await connect(stage, integration, newBrowser());
    await until(() => posted.length === 2, 'the second notification');
    expect(posted[1]).toMatchObject({ kind: 'connection.active', severity: 'info', text: expect.stringContaining('events that were kept for them run now') });
    await until(() => signals.includes(`${connection} active`), 'the other apps to be told');
  });

  it('are told later when they cannot be reached, and not of what is over by then', async () => {
    gatewayAway = true;
    await die();
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect((await row()).noticeDue).toBe(true);
    gatewayAway = false;
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect(posted.map(({ kind }) => kind)).toEqual(['connection.auth-required']);
    expect((await row()).noticeDue).toBe(false);
  });

  it('are told of many triggers by the names of some', async () => {
    Object.assign(uses, { triggerCount: 240, triggers: Array.from({ length: 100 }, (_, n) => trigger(`T${n} ${'x'.repeat(190)}`)) });
    await die();
    await until(() => posted.length === 1, 'the notification');
    expect(posted[0]!.text).toContain('and 220 more');
    expect(posted[0]!.text).toContain('/reconnect');
    expect(posted[0]!.text.length).toBeLessThanOrEqual(4_000);
  });
});

describe('a connection that gets no new token', () => {
  const round = () => stage.ask(refreshDueTokens, { limit: 10 });
  const refused = json(401, { error: 'invalid_client', error_description: 'Client authentication failed' });
  const kinds = () => posted.map(({ kind }) => kind);

  it('because the client is refused says so to callers and readers, and to people once, and that it works again', async () => {
    server.bend.token = () => refused;
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'oauth_exchange_failed' });
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable', message: expect.stringContaining('Client authentication failed') });
    expect(await view()).toMatchObject({ status: 'active', reasonCode: 'client_refused', reason: expect.stringContaining('client secret') });
    for (let time = 0; time < 3; time += 1) {
      await Promise.all([round(), round()]);
      stage.clock.advance(HOUR);
    }
    expect(posted).toEqual([expect.objectContaining({ kind: 'connection.unusable', severity: 'critical', text: expect.stringContaining('Client authentication failed') })]);
    delete server.bend.token;
    await token();
    expect(await view()).toMatchObject({ status: 'active', reasonCode: null, reason: null });
    await until(() => posted.length === 2, 'the second notification');
    expect(kinds()).toEqual(['connection.unusable', 'connection.active']);
  });

  it('because the service is away is told of when its token has been over for a while, not before', async () => {
    server.bend.token = () => ({ status: 503, body: '' });
    stage.clock.advance(HOUR);
    for (let time = 0; time < 5; time += 1) {
      await round();
      expect(await view()).toMatchObject({ status: 'active', reasonCode: 'service_unavailable', reason: expect.stringContaining('refreshed again later') });
      stage.clock.advance(2 * MINUTE);
    }
    expect(posted).toEqual([]);
    stage.clock.advance(6 * MINUTE);
    for (let time = 0; time < 3; time += 1) await round();
    expect(kinds()).toEqual(['connection.unusable']);
    expect(await view()).toMatchObject({ status: 'active', reasonCode: 'token_expired' });
    delete server.bend.token;
    await connect(stage, integration, newBrowser());
    await until(() => posted.length === 2, 'the second notification');
    expect(kinds()).toEqual(['connection.unusable', 'connection.active']);
  });
});

describe('a token endpoint in trouble', () => {
  it('that limits our address is left alone by all connections there', async () => {
    await use(strict.id);
    const first = connection;
    server.tokens.account = 'grace';
    const second = (await connect(stage, integration, newBrowser())).id;
    server.tokens.account = 'ada';
    stage.clock.advance(HOUR);
    server.bend.token = () => ({ status: 429, body: '' });
    const ask = (id: string) => stage.ask(getAccessToken, { workspace: stage.workspace, connection: id });
    // Each of the two processes may find it out for itself; refused tokens would only prolong the lock.
    for (const id of [first, second, first, second]) await expect(ask(id)).rejects.toMatchObject({ code: 'service_unavailable', retry: 'later' });
    expect(server.refreshes()).toBeLessThanOrEqual(2);
    expect(await view()).toMatchObject({ status: 'active' });
    delete server.bend.token;
    stage.clock.advance(3 * MINUTE);
    await expect(ask(first)).rejects.toMatchObject(AUTH_REQUIRED);
    await expect(ask(second)).resolves.toMatchObject({ generation: 2 });
  });

  it('that refuses the client is asked once in a round, and none of its connections is given up', async () => {
    for (let n = 1; n < 12; n += 1) {
      server.tokens.account = `member-${n}`;
      await connect(stage, integration, newBrowser());
    }
    server.tokens.account = 'ada';
    server.bend.token = () => json(401, { error: 'invalid_client' });
    stage.clock.advance(HOUR);
    await expect(stage.ask(refreshDueTokens, { limit: 50 })).resolves.toMatchObject({ refreshed: 0, failed: 1 });
    expect(server.refreshes()).toBe(1);
    // The others do not stand at the head of the next round, where they would keep other services' connections from it.
    await expect(stage.ask(refreshDueTokens, { limit: 50 })).resolves.toEqual({ refreshed: 0, failed: 0, more: false });
    expect(server.refreshes()).toBe(1);
    expect(await stage.database.prisma.connection.count({ where: { integrationId: integration, status: 'active' } })).toBe(12);
  });

  it('that keeps failing is not asked for each connection, and none of them is given up', async () => {
    const broken = await openTokenServer();
    try {
      await use(probe.id, broken.url);
      const ids = [connection];
      for (let n = 1; n < 30; n += 1) {
        broken.tokens.account = `account-${n}`;
        ids.push((await connect(stage, integration, newBrowser())).id);
      }
      broken.bend.token = () => ({ status: 503, body: '' });
      stage.clock.advance(HOUR);
      for (const id of ids) {
        await expect(stage.ask(getAccessToken, { workspace: stage.workspace, connection: id })).rejects.toMatchObject({ code: 'service_unavailable' });
      }
      // Eight failures in a row open the circuit of a process, and there are two.
      expect(broken.refreshes()).toBeLessThanOrEqual(16);
      expect(await stage.database.prisma.connection.count({ where: { id: { in: ids }, status: 'active' } })).toBe(30);
      const spared = await stage.database.prisma.connection.count({ where: { id: { in: ids }, refreshIntentAt: null } });
      expect(spared).toBe(30 - broken.refreshes());
    } finally {
      await broken.close();
    }
  });
});
