import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  authorizeConnection, confirmAuthorisation, connectionChanged, describeAuthorisation, discardAuthorisation, finishAuthorisation, getAccessToken,
  getConnection, getConnectionUses, reapplySubscriptions, reconnectConnection, refreshDueTokens, type ConnectionUses, type ConnectionView,
} from '@vane/contracts';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, connect, enterIntegration, openStage, registryOf, until, walkFrom, walkToCallback, type Opened, type Stage } from './fixtures/oauth-stage.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const MINUTES = 60_000;
const adapter = {
  ...probe,
  oauth: { ...probe.oauth!, impliedScopes: { admin: ['hooks'] } },
  triggerTypes: { ping: { ...probe.triggerTypes['ping']!, scopes: ['hooks'] }, pong: { ...probe.triggerTypes['ping']!, scopes: ['boards'] } },
};
const NO_USES: ConnectionUses = { triggerCount: 0, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 };
const trigger = (name: string, scopes: string[]): ConnectionUses['triggers'][number] => ({ id: `trg_${name}`.padEnd(30, '0'), name, type: 'ping', status: 'enabled', scopes });

let server: TokenServer;
let stage: Stage;
let integration: string;
let uses: ConnectionUses;
let reapplied: string[];
let busy: number;
let asked: number;
let beforeUses: () => Promise<unknown>;
let revoked: (string | null)[];

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(adapter) });
  answer(stage, getConnectionUses, async () => {
    asked += 1;
    await beforeUses();
    return uses;
  });
  answer(stage, reapplySubscriptions, ({ connection }) => {
    reapplied.push(connection);
    return { due: 1, busy };
  });
});

beforeEach(async () => {
  server.reset();
  server.tokens.account = `ada-${Math.random()}`;
  server.bend.members = { scope: 'hooks' };
  revoked = [];
  server.bend.revoke = ({ parameters }) => {
    revoked.push(parameters.get('token'));
    return json(200, {});
  };
  [uses, reapplied, busy, asked] = [NO_USES, [], 0, 0];
  beforeUses = () => Promise.resolve();
  integration = (await enterIntegration(stage, adapter.id, server.url)).id;
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const read = (connection: string) => stage.ask(getConnection, { workspace: stage.workspace, connection });
const row = (id: string) => stage.database.prisma.connection.findUniqueOrThrow({ where: { id } });
const authorisations = () => stage.database.prisma.authorisation.findMany({ where: { integrationId: integration } });
const tokenOf = async (connection: string) => (await stage.ask(getAccessToken, { workspace: stage.workspace, connection })).accessToken;

async function reconnecting({ id }: ConnectionView, more: { triggerTypes?: string[]; scopes?: string[] } = {}): Promise<Opened> {
  const { url } = await stage.ask(reconnectConnection, { workspace: stage.workspace, connection: id, ...more });
  return walkFrom(stage, url, newBrowser());
}
const finish = ({ query, browserToken }: Opened) => stage.ask(finishAuthorisation, { query, browserToken });
const held = ({ query, browserToken }: Opened) => ({ state: new URLSearchParams(query).get('state')!, browserToken });
const scopesAskedFor = ({ location }: Opened) => new URL(location).searchParams.get('scope');

/** A reconnection that ends at another account than the connection works as. */
async function atAnotherAccount(before: ConnectionView) {
  server.tokens.account = `bert-${Math.random()}`;
  const opened = await reconnecting(before);
  return { opened, account: server.tokens.account, answered: await finish(opened) };
}

describe('what an authorisation asks for', () => {
  it('is what is always needed, and the scopes of the trigger types and those that are named', async () => {
    const open = async (asked: object) => {
      const { url } = await stage.ask(authorizeConnection, { workspace: stage.workspace, integration, ...asked });
      return scopesAskedFor(await walkFrom(stage, url, newBrowser()));
    };
    expect(await open({})).toBe('openid offline_access');
    expect(await open({ triggerTypes: ['ping'], scopes: ['more', 'hooks'] })).toBe('openid offline_access hooks more');
    await expect(open({ triggerTypes: ['ping', 'constructor'] })).rejects.toMatchObject({ code: 'invalid_config', fields: [{ path: 'triggerTypes.1' }] });
  });

  it('is, of a connection, also what its triggers need', async () => {
    const connection = await connect(stage, integration, newBrowser());
    uses = { ...NO_USES, scopes: ['hooks'] };
    expect(scopesAskedFor(await reconnecting(connection, { triggerTypes: ['pong'], scopes: ['more'] }))).toBe('openid offline_access boards hooks more');
  });

  it('is told before the browser is bound, and costs the ticket nothing', async () => {
    const connection = await connect(stage, integration, newBrowser());
    const { url } = await stage.ask(reconnectConnection, { workspace: stage.workspace, connection: connection.id });
    const ticket = url.slice(`${API_URL}/oauth/start/`.length);
    const description = { actorLabel: 'test', actorId: 'tok_test', workspace: 'Test', service: adapter.label, host: server.host, scopes: ['openid', 'offline_access'], private: false, reconnects: server.tokens.account };
    for (let time = 0; time < 2; time += 1) await expect(stage.ask(describeAuthorisation, { ticket })).resolves.toEqual(description);
    await walkFrom(stage, url, newBrowser());
    await expect(stage.ask(describeAuthorisation, { ticket })).rejects.toMatchObject({ code: 'oauth_state_invalid', message: expect.stringContaining('already used') });
  });
});

describe('authorising a connection anew', () => {
  it('saves a grant of the same account at once, without asking what uses it', async () => {
    const before = await connect(stage, integration, newBrowser());
    server.bend.members = { scope: 'hooks more' };
    const opened = await reconnecting(before);
    asked = 0;
    await expect(finish(opened)).resolves.toMatchObject({ outcome: 'connected', connection: { id: before.id, status: 'active', scopes: ['hooks', 'more'], statusSince: before.statusSince } });
    expect([reapplied, asked]).toEqual([[], 0]);
  });

  it('tells when it mends a connection, once it is mended', async () => {
    const before = await connect(stage, integration, newBrowser());
    await stage.database.prisma.connection.update({ where: { id: before.id }, data: { status: 'auth_required', reasonCode: 'dead_grant', reason: 'gone', noticeDue: false } });
    const heard: string[] = [];
    stage.bus.onSignal(connectionChanged, ({ connectionId, status }) => void heard.push(`${connectionId} ${status}`));
    await stage.bus.connection().flush();
    await expect(finish(await reconnecting(before))).resolves.toMatchObject({ connection: { id: before.id, status: 'active', reason: null, reasonCode: null } });
    expect((await row(before.id)).statusSince > new Date(before.statusSince)).toBe(true);
    await until(() => heard.includes(`${before.id} active`));
  });

  it('does not count as lost what no trigger needs, what was never there, and what another scope includes', async () => {
    server.bend.members = { scope: 'hooks more' };
    const before = await connect(stage, integration, newBrowser());
    uses = { ...NO_USES, triggerCount: 2, triggers: [trigger('a', ['hooks']), trigger('b', ['boards'])], scopes: ['hooks', 'boards'] };
    server.bend.members = { scope: 'admin' };
    await expect(finish(await reconnecting(before))).resolves.toMatchObject({ outcome: 'connected', connection: { id: before.id, scopes: ['admin'] } });
  });

  it('is refused for a connection that becomes private to somebody else before the grant is stored', async () => {
    server.bend.members = { scope: 'hooks more' };
    const before = await connect(stage, integration, newBrowser());
    server.bend.members = { scope: 'hooks' };
    const opened = await reconnecting(before);
    beforeUses = () => stage.database.prisma.connection.update({ where: { id: before.id }, data: { ownerId: 'usr_other' } });
    await expect(finish(opened)).rejects.toMatchObject({ code: 'oauth_state_invalid', message: expect.stringContaining('Who may use this connection') });
    expect(await row(before.id)).toMatchObject({ ownerId: 'usr_other', generation: 1 });
  });

  it('brings a connection of which somebody is getting rid no more than what its removal goes on with', async () => {
    const before = await connect(stage, integration, newBrowser());
    const opened = await reconnecting(before);
    await stage.database.prisma.connection.update({ where: { id: before.id }, data: { status: 'disconnecting' } });
    await expect(finish(opened)).resolves.toMatchObject({ outcome: 'connected', connection: { id: before.id, status: 'disconnecting' } });
    await expect(connect(stage, integration, newBrowser())).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('disconnected') });
    server.tokens.account = 'another';
    await expect(reconnecting(before).then(finish)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('disconnected') });
  });
});

describe.each([
  ['authorised anew', reconnecting],
  ['connected once more', () => walkToCallback(stage, integration, newBrowser())],
] as [string, (before: ConnectionView) => Promise<Opened>][])('a scope that is lost when an account is %s', (_how, open) => {
  let before: ConnectionView;
  let opened: Opened;
  beforeEach(async () => {
    server.bend.members = { scope: 'hooks boards' };
    before = await connect(stage, integration, newBrowser());
    uses = { ...NO_USES, triggerCount: 3, triggers: [trigger('a', ['hooks']), trigger('b', ['boards']), trigger('c', [])], scopes: ['hooks', 'boards'] };
    server.bend.members = { scope: 'boards' };
    opened = await open(before);
  });

  it('changes nothing before a person has read which triggers stop', async () => {
    const token = await tokenOf(before.id);
    const answered = await finish(opened);
    expect(answered).toMatchObject({ outcome: 'differs', connection: { id: before.id, scopes: ['hooks', 'boards'] }, maxAgeSeconds: 600 });
    const { findings } = answered as Extract<typeof answered, { outcome: 'differs' }>;
    expect(findings).toEqual([{ kind: 'scopes', message: `${adapter.label} did not grant hooks any more. Without, these triggers cease to work: "a".` }]);
    expect(await read(before.id)).toEqual(before);
    expect(await tokenOf(before.id)).toBe(token);
    const stored = JSON.stringify(await authorisations());
    expect(stored).not.toContain(server.tokens.access);
    expect(stored).not.toContain(server.tokens.refresh);
  });

  it('is taken all the same where the person says so', async () => {
    await finish(opened);
    await expect(stage.ask(confirmAuthorisation, held(opened))).resolves.toMatchObject({ id: before.id, scopes: ['boards'], status: 'active' });
    expect(await tokenOf(before.id)).toBe(server.tokens.access);
    expect(reapplied).toEqual([]);
  });

  it('is not, where the person leaves all as it is', async () => {
    await finish(opened);
    await stage.ask(discardAuthorisation, held(opened));
    expect(await read(before.id)).toEqual(before);
    // To end it would end the grant that the connection lives of.
    expect(revoked).toEqual([]);
    expect((await authorisations()).map(({ grantEnc }) => grantEnc)).toEqual([null, null]);
    await expect(stage.ask(confirmAuthorisation, held(opened))).rejects.toMatchObject({ code: 'oauth_state_invalid' });
  });
});

describe('another account', () => {
  let before: ConnectionView;
  beforeEach(async () => {
    before = await connect(stage, integration, newBrowser());
    uses = { ...NO_USES, triggerCount: 12, triggers: [trigger('a', ['hooks']), trigger('b', ['hooks'])], scopes: ['hooks'] };
  });

  it('changes nothing before a person has read what would work as it', async () => {
    const { answered, account } = await atAnotherAccount(before);
    expect(answered).toMatchObject({ outcome: 'differs', findings: [{ kind: 'account' }] });
    const { message } = (answered as Extract<typeof answered, { outcome: 'differs' }>).findings[0]!;
    for (const words of [`works as ${before.accountLabel};`, `granted access is ${account}.`, `12 triggers would work as ${account}: "a", "b" and 10 more.`]) expect(message).toContain(words);
    expect(await read(before.id)).toEqual(before);
  });

  it('takes the connection over where the person says so: same id, and what is registered is told to the service anew', async () => {
    const { opened, account } = await atAnotherAccount(before);
    const taken = await stage.ask(confirmAuthorisation, held(opened));
    expect(taken).toMatchObject({ id: before.id, accountId: account, accountLabel: account, version: before.version + 1 });
    expect(await tokenOf(before.id)).toBe(server.tokens.access);
    await until(async () => (await row(before.id)).accountChangedAt === null);
    expect(reapplied).toEqual([before.id]);
    await expect(stage.ask(confirmAuthorisation, held(opened))).rejects.toMatchObject({ code: 'oauth_state_invalid' });
  });

  it('is told until nothing is busy any more, whoever crashed meanwhile', async () => {
    busy = 1;
    const { opened } = await atAnotherAccount(before);
    await stage.ask(confirmAuthorisation, held(opened));
    await until(() => reapplied.length === 1);
    expect((await row(before.id)).accountChangedAt).not.toBeNull();
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect([reapplied.length, (await row(before.id)).accountChangedAt === null]).toEqual([2, false]);
    busy = 0;
    await stage.ask(refreshDueTokens, { limit: 10 });
    await stage.ask(refreshDueTokens, { limit: 10 });
    expect([reapplied.length, (await row(before.id)).accountChangedAt]).toEqual([3, null]);
  });

  it('is decided once, also when both decisions come ten times at the same moment', async () => {
    const { opened } = await atAnotherAccount(before);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) => stage.ask(index % 2 === 0 ? confirmAuthorisation : discardAuthorisation, held(opened)) as Promise<unknown>),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await row(before.id)).generation).toBeLessThanOrEqual(2);
    expect((await authorisations()).every(({ grantEnc }) => grantEnc === null)).toBe(true);
  });

  it.each([
    ['in another browser', (query: ReturnType<typeof held>) => ({ ...query, browserToken: 'x'.repeat(43) })],
    ['without the cookie', (query: ReturnType<typeof held>) => ({ ...query, browserToken: null })],
    ['with another state', (query: ReturnType<typeof held>) => ({ ...query, state: 'y'.repeat(43) })],
  ])('is not decided %s', async (_where, spoil) => {
    const { opened } = await atAnotherAccount(before);
    for (const decide of [confirmAuthorisation, discardAuthorisation]) {
      await expect(stage.ask(decide, spoil(held(opened)))).rejects.toMatchObject({ code: 'oauth_state_invalid' });
    }
    expect(await read(before.id)).toEqual(before);
    await expect(stage.ask(confirmAuthorisation, held(opened))).resolves.toMatchObject({ id: before.id });
  });

  it('is forgotten after ten minutes, together with its tokens', async () => {
    const { opened } = await atAnotherAccount(before);
    stage.clock.advance(10 * MINUTES);
    await expect(stage.ask(confirmAuthorisation, held(opened))).rejects.toMatchObject({ code: 'oauth_state_invalid', message: expect.stringContaining('ten minutes') });
    expect((await authorisations()).some(({ grantEnc }) => grantEnc !== null)).toBe(true);
    await Promise.all(Array.from({ length: 8 }, () => stage.ask(refreshDueTokens, { limit: 10 })));
    expect((await authorisations()).some(({ grantEnc }) => grantEnc !== null)).toBe(false);
    // Only by who had taken it away from all others.
    expect(revoked.filter((token) => token === server.tokens.refresh)).toHaveLength(1);
  });

  it('that is discarded is ended at the service, and forgotten also where that fails', async () => {
    const { opened } = await atAnotherAccount(before);
    const { refresh } = server.tokens;
    await stage.ask(discardAuthorisation, held(opened));
    expect(revoked).toEqual([refresh]);
    server.bend.revoke = () => json(503, {});
    await stage.ask(discardAuthorisation, held((await atAnotherAccount(before)).opened));
    expect((await authorisations()).some(({ grantEnc }) => grantEnc !== null)).toBe(false);
    expect(await read(before.id)).toEqual(before);
  });

  it('that is connected already is refused: its connection is there to be used', async () => {
    const account = server.tokens.account;
    server.tokens.account = `cleo-${Math.random()}`;
    const cleo = await connect(stage, integration, newBrowser());
    await expect(reconnecting(before).then(finish)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining(`The account ${cleo.accountLabel} has a connection of its own here.`) });
    server.tokens.account = account;
    await expect(reconnecting(before).then(finish)).resolves.toMatchObject({ outcome: 'connected' });
  });

  it('that was connected while the person was deciding is refused too', async () => {
    const { opened } = await atAnotherAccount(before);
    await connect(stage, integration, newBrowser());
    await expect(stage.ask(confirmAuthorisation, held(opened))).rejects.toMatchObject({ code: 'conflict' });
    expect(await read(before.id)).toEqual(before);
  });

  it('can be confirmed although the token of the connection was refreshed meanwhile', async () => {
    const { opened, account } = await atAnotherAccount(before);
    const other = { ...server.tokens };
    await stage.database.prisma.connection.update({ where: { id: before.id }, data: { generation: { increment: 1 } } });
    await expect(stage.ask(confirmAuthorisation, held(opened))).resolves.toMatchObject({ accountId: account });
    expect(await tokenOf(before.id)).toBe(other.access);
  });
});
