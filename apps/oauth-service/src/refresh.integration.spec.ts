import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getAccessToken, getConnection, refreshDueTokens, updateIntegration } from '@vane/contracts';
import type { OAuthProfile } from '@vane/kit';
import { newSecret } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser } from './fixtures/browser.js';
import { connect, enterIntegration, openStage, registryOf, until, type Stage } from './fixtures/oauth-stage.js';
import { RefreshTimes } from './refresh-times.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const variant = (id: string, more: Partial<OAuthProfile>) => ({ ...probe, id, oauth: { ...probe.oauth!, ...more } });
const steady = variant('steady', { refresh: 'none' });
const lasting = variant('lasting', { refresh: 'static' });
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const AUTH_REQUIRED = { code: 'connection_auth_required' };

let server: TokenServer;
let stage: Stage;
let integration: string;
let connection: string;

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe, steady, lasting), processes: 2 });
});

beforeEach(async () => {
  server.reset();
  integration = (await enterIntegration(stage, probe.id, server.url)).id;
  connection = (await connect(stage, integration, newBrowser())).id;
  server.seen.length = 0;
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const token = (more: { rejectedGeneration?: number } = {}) => stage.ask(getAccessToken, { workspace: stage.workspace, connection, ...more });
const row = async () => (await stage.database.prisma.connection.findUnique({ where: { id: connection } }))!;

describe('one refresh at a time', () => {
  it('sends one refresh for twenty callers of two processes at expiry, and all get the new token', async () => {
    stage.clock.advance(HOUR);
    server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 400 });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => token()));
    expect(server.refreshes()).toBe(1);
    expect(new Set(tokens.map(({ accessToken }) => accessToken))).toEqual(new Set([server.tokens.access]));
    expect(new Set(tokens.map(({ generation }) => generation))).toEqual(new Set([2]));
  });

  it('sends one refresh for twenty callers whose token the service refused', async () => {
    server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 300 });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => token({ rejectedGeneration: 1 })));
    expect(server.refreshes()).toBe(1);
    expect(new Set(tokens.map(({ generation }) => generation))).toEqual(new Set([2]));
  });

  it('hands out the newer token without a call when an older one was refused', async () => {
    stage.clock.advance(HOUR);
    await token();
    await expect(token({ rejectedGeneration: 1 })).resolves.toMatchObject({ generation: 2, accessToken: server.tokens.access });
    expect(server.refreshes()).toBe(1);
  });

  it('refreshes a token that ends within a minute, and not one that ends later', async () => {
    stage.clock.advance(HOUR - 90 * SECOND);
    await token();
    expect(server.refreshes()).toBe(0);
    stage.clock.advance(40 * SECOND);
    await token();
    expect(server.refreshes()).toBe(1);
  });

  it('succeeds a process that died under its lease before it sent anything', async () => {
    await stage.database.prisma.connection.update({
      where: { id: connection }, data: { leaseOwner: 'dead', leaseUntil: stage.clock.in(HOUR + 600) },
    });
    stage.clock.advance(HOUR);
    await expect(token()).resolves.toMatchObject({ generation: 2 });
    expect(server.refreshes()).toBe(1);
    expect(await row()).toMatchObject({ leaseOwner: null, leaseUntil: null, refreshIntentAt: null });
  });

  it('says that the rotated tokens may be lost when a process died after it had sent its refresh', async () => {
    const intentAt = stage.clock.now();
    await stage.database.prisma.connection.update({
      where: { id: connection }, data: { leaseOwner: 'dead', leaseUntil: stage.clock.in(HOUR + 600), refreshIntentAt: intentAt },
    });
    server.tokens.refresh = 'rotated for the process that died';
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining(`sent at ${intentAt.toISOString()}`) });
    expect(server.refreshes()).toBe(1);
  });

  it('keeps a token that was connected anew while a refresh of the old one was under way', async () => {
    stage.clock.advance(HOUR);
    let arrived = false;
    let refuse: () => void = () => undefined;
    const connectedAnew = new Promise<void>((resolve) => { refuse = resolve; });
    server.bend.token = (sent, proper) => {
      if (sent.parameters.get('grant_type') !== 'refresh_token') return proper();
      arrived = true;
      return { ...json(400, { error: 'invalid_grant' }), after: connectedAnew };
    };
    const waiting = token();
    await until(() => arrived, 'the refresh to arrive');
    await expect(connect(stage, integration, newBrowser())).resolves.toMatchObject({ id: connection });
    refuse();
    await expect(waiting).resolves.toMatchObject({ generation: 2, accessToken: server.tokens.access });
    expect(await row()).toMatchObject({ status: 'active', generation: 2 });
  });
});

describe('a dead grant', () => {
  it('asks for a person at once, in the words of the service, and never tries again', async () => {
    server.bend.token = () => json(400, { error: 'invalid_grant', error_description: 'Access was revoked' });
    stage.clock.advance(HOUR);
    const callers = await Promise.allSettled(Array.from({ length: 10 }, () => token()));
    for (const caller of callers) expect(caller).toMatchObject({ status: 'rejected', reason: AUTH_REQUIRED });
    await expect(token({ rejectedGeneration: 1 })).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining('Access was revoked') });
    expect(server.refreshes()).toBe(1);
    const before = await row();
    expect(before.refreshTokenEnc).not.toBeNull();
    await drain();
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect(server.refreshes()).toBe(1);
  });

  it('asks for a person when a refused token cannot be renewed', async () => {
    integration = (await enterIntegration(stage, steady.id, server.url)).id;
    connection = (await connect(stage, integration, newBrowser())).id;
    server.seen.length = 0;
    await expect(token({ rejectedGeneration: 1 })).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining('does not accept the access token') });
    await expect(stage.ask(getConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ status: 'auth_required' });
    expect(server.seen).toHaveLength(0);
  });

  it('asks for a person when an expired token cannot be renewed', async () => {
    server.bend.members = { refresh_token: undefined };
    await connect(stage, integration, newBrowser());
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining('has expired') });
  });
});

describe('a refresh token that does not rotate', () => {
  beforeEach(async () => {
    integration = (await enterIntegration(stage, lasting.id, server.url)).id;
    connection = (await connect(stage, integration, newBrowser())).id;
    server.seen.length = 0;
  });

  it('is kept and used again when the answer brings no other', async () => {
    const kept = server.tokens.refresh;
    const access = newSecret('access token');
    server.bend.token = ({ parameters }) =>
      parameters.get('refresh_token') === kept
        ? json(200, { access_token: `${access} after ${server.refreshes()}`, token_type: 'Bearer', expires_in: 3600 })
        : json(400, { error: 'invalid_grant' });
    for (const times of [1, 2]) {
      stage.clock.advance(HOUR);
      await expect(token()).resolves.toMatchObject({ generation: times + 1, accessToken: `${access} after ${times}` });
    }
    expect(server.seen.map(({ parameters }) => parameters.get('refresh_token'))).toEqual([kept, kept]);
  });

  it('is not supposed to be lost when its grant is dead after an unanswered refresh', async () => {
    server.bend.token = () => ({ status: 502, body: '' });
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable' });
    server.bend.token = () => json(400, { error: 'invalid_grant' });
    stage.clock.advance(10 * SECOND);
    await expect(token()).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.not.stringContaining('lost') });
    expect(server.refreshes()).toBe(2);
  });
});

describe('a service in trouble', () => {
  it.each([
    ['an HTML page with status 500', { status: 500, body: '<h1>Oops</h1>' }, 'unavailable'],
    ['an empty 400', { status: 400, body: '' }, 'garbage'],
    ['a page that is not JSON', { status: 200, body: 'Hello' }, 'garbage'],
    ['429', { status: 429, headers: { 'retry-after': '30' }, body: '' }, 'rate_limited'],
  ])('keeps its tokens after %s, is left alone for a while, and then refreshed', async (_what, answer, outcome) => {
    server.bend.token = () => answer;
    const before = await row();
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable', retry: 'later' });
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable', retryAfterMs: expect.any(Number) });
    expect(server.refreshes()).toBe(1);
    const after = await row();
    expect(after).toMatchObject({ status: 'active', accessTokenEnc: before.accessTokenEnc, refreshTokenEnc: before.refreshTokenEnc, leaseOwner: null });
    delete server.bend.token;
    stage.clock.advance(31 * SECOND);
    const { generation, accessToken } = await token();
    expect([generation, accessToken]).toEqual([2, server.tokens.access]);
    expect(await metric(outcome)).toBeGreaterThan(0);
  });

  it('waits as long as Retry-After says', async () => {
    server.bend.token = () => ({ status: 429, headers: { 'retry-after': '120' }, body: '' });
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable', retryAfterMs: 120 * SECOND });
    delete server.bend.token;
    stage.clock.advance(100 * SECOND);
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(server.refreshes()).toBe(1);
    stage.clock.advance(21 * SECOND);
    await expect(token()).resolves.toMatchObject({ generation: 2 });
  });

  it('hands out a token that still lives when its early refresh fails', async () => {
    server.bend.token = () => ({ status: 503, body: '' });
    stage.clock.advance(HOUR - 30 * SECOND);
    await expect(token()).resolves.toMatchObject({ generation: 1, accessToken: server.tokens.access });
    await expect(token()).resolves.toMatchObject({ generation: 1 });
    expect(server.refreshes()).toBe(1);
  });

  it('remembers a refresh whose answer was lost, and explains the dead grant that follows from it', async () => {
    let cut = true;
    server.bend.token = (_sent, proper) => {
      const answer = proper();
      if (!cut) return answer;
      cut = false;
      return { status: 502, body: 'the answer got lost behind a proxy' };
    };
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable' });
    stage.clock.advance(10 * SECOND);
    await expect(token()).rejects.toMatchObject({ ...AUTH_REQUIRED, message: expect.stringContaining('may have been lost') });
  });

  it('gives up a refresh after eight seconds, before its lease ends', async () => {
    server.bend.token = () => ({ ...json(200, {}), delayMs: 60_000 });
    stage.clock.advance(HOUR);
    const began = performance.now();
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable', message: expect.stringContaining('could not be asked') });
    expect(performance.now() - began).toBeLessThan(new RefreshTimes().leaseMs);
    expect((await row()).refreshIntentAt).not.toBeNull();
  });

  it('blames the integration for a refused client, and tries again at once when that is corrected', async () => {
    server.bend.token = () => json(401, { error: 'invalid_client' });
    stage.clock.advance(HOUR);
    await expect(token()).rejects.toMatchObject({ code: 'oauth_exchange_failed', message: expect.stringContaining('client secret') });
    await expect(token()).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(server.refreshes()).toBe(1);
    delete server.bend.token;
    await stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch: 1, clientSecret: newSecret('client secret') });
    await expect(token()).resolves.toMatchObject({ generation: 2 });
  });
});

describe('refreshing ahead', () => {
  it('refreshes what is due at three quarters to 85 percent of the lifetime, once', async () => {
    const { refreshAt, expiresAt } = await row();
    const fraction = 1 - (expiresAt!.getTime() - refreshAt!.getTime()) / HOUR;
    expect(fraction).toBeGreaterThanOrEqual(0.749);
    expect(fraction).toBeLessThanOrEqual(0.851);
    await drain();
    stage.clock.advance(0.86 * HOUR);
    server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 200 });
    const outcomes = await Promise.all([1, 2, 3].map(() => stage.ask(refreshDueTokens, { limit: 200 })));
    expect(outcomes.reduce((sum, { refreshed }) => sum + refreshed, 0)).toBe(1);
    expect(server.refreshes()).toBe(1);
    expect(await row()).toMatchObject({ generation: 2, status: 'active' });
  });

  it('asks a service that does not answer once, however many connections are due there', async () => {
    await stage.database.prisma.connection.deleteMany({});
    for (let index = 0; index < 3; index += 1) {
      server.tokens.account = `outage-${index}`;
      await connect(stage, integration, newBrowser());
    }
    server.seen.length = 0;
    server.bend.token = () => ({ status: 503, body: '' });
    stage.clock.advance(0.86 * HOUR);
    await expect(stage.ask(refreshDueTokens, { limit: 10 })).resolves.toEqual({ refreshed: 0, failed: 1, more: false });
    expect(server.refreshes()).toBe(1);
  });

  it('takes no more than it was told, and says that there is more', async () => {
    await stage.database.prisma.connection.deleteMany({});
    for (let index = 0; index < 3; index += 1) {
      server.tokens.account = `batch-${index}`;
      await connect(stage, integration, newBrowser());
    }
    server.bend.token = () => json(200, { access_token: newSecret('access token'), token_type: 'bearer', expires_in: 3600 });
    stage.clock.advance(0.86 * HOUR);
    await expect(stage.ask(refreshDueTokens, { limit: 2 })).resolves.toEqual({ refreshed: 2, failed: 0, more: true });
    await expect(stage.ask(refreshDueTokens, { limit: 2 })).resolves.toEqual({ refreshed: 1, failed: 0, more: false });
    await expect(stage.ask(refreshDueTokens, { limit: 2 })).resolves.toEqual({ refreshed: 0, failed: 0, more: false });
  });
});

/** Forgets connections of earlier tests, so that only this test's is due. */
async function drain(): Promise<void> {
  await stage.database.prisma.connection.deleteMany({ where: { id: { not: connection } } });
}

async function metric(outcome: string): Promise<number> {
  const pages = await Promise.all(stage.apps.map(async (app) => (await fetch(`${await app.getUrl()}/metrics`)).text()));
  const pattern = new RegExp(`^vane_token_refreshes_total\\{[^}]*outcome="${outcome}"[^}]*\\} (\\d+)`, 'm');
  return pages.reduce((sum, page) => sum + Number(pattern.exec(page)?.[1] ?? 0), 0);
}
