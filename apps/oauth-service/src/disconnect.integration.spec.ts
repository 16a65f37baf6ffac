import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  connectionChanged, deleteConnection, deleteIntegration, finishDisconnections, getAccessToken, getConnection, getConnectionUses, planDisconnection,
  postNotification, reconnectConnection, releaseConnection, type InputOf,
} from '@vane/contracts';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { CLIENT_SECRET, connect, enterIntegration, finish, openStage, registryOf, until, walkFrom, type Stage } from './fixtures/oauth-stage.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const HOUR = 3_600_000;
const withoutRevocation = { ...probe, id: 'no-revocation', oauth: { ...probe.oauth!, revoke: undefined } };
const NOTHING = { triggerCount: 0, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 };

let server: TokenServer;
let stage: Stage;
/** What trigger-service says, what it was asked, and what people were told. */
let uses: { triggerCount: number; triggers: { id: string; name: string; type: string; status: 'enabled'; scopes: string[] }[]; tombstones?: number };
type Released = { triggers: number; owed: number };
let release: (input: InputOf<typeof releaseConnection>) => Released | Promise<Released>;
let released: InputOf<typeof releaseConnection>[];
let told: InputOf<typeof postNotification>[];

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: '127.0.0.1', adapters: registryOf(probe, withoutRevocation) });
  answer(stage, getConnectionUses, () => ({ ...NOTHING, ...uses }));
  answer(stage, releaseConnection, (input) => {
    released.push(input);
    return release(input);
  });
  answer(stage, postNotification, (input) => {
    told.push(input);
    return { posted: true };
  });
});
beforeEach(async () => {
  server.reset();
  await stage.database.prisma.connection.deleteMany();
  [uses, released, told] = [{ triggerCount: 0, triggers: [] }, [], []];
  release = () => ({ triggers: 0, owed: 0 });
});
afterAll(async () => {
  await stage?.close();
  await server?.close();
});

/** A connected account, and what is asked about it. */
async function connected(service = probe.id, account = `account-${Math.random()}`) {
  server.tokens.account = account;
  const { id: integration } = await enterIntegration(stage, service, server.url);
  const { id: connection } = await connect(stage, integration, newBrowser());
  const input = { workspace: stage.workspace, connection };
  return {
    integration,
    connection,
    input,
    refreshToken: server.tokens.refresh,
    disconnect: (more: { triggers?: 'delete'; force?: 'true' } = {}) => stage.ask(deleteConnection, { ...input, ...more }),
    isGone: () => expect(stage.ask(getConnection, input)).rejects.toMatchObject({ code: 'not_found' }),
    status: async () => (await stage.ask(getConnection, input)).status,
  };
}

const trigger = (name: string) => ({ id: `trg_${'0'.repeat(26)}`, name, type: 'ping', status: 'enabled' as const, scopes: [] });
const onSchedule = () => stage.ask(finishDisconnections, { limit: 10 });
const sent = () => server.revocations.map(({ parameters }) => [parameters.get('token'), parameters.get('token_type_hint')]);

describe('disconnecting an account', () => {
  it('has its triggers let go, then revokes the grant, then forgets it', async () => {
    const { disconnect, input, isGone, integration, refreshToken } = await connected();
    const signals: string[] = [];
    stage.bus.onSignal(connectionChanged, ({ connectionId, status }) => void (connectionId === input.connection && signals.push(status)));
    await stage.bus.connection().flush();
    release = () => {
      expect(server.revocations).toEqual([]);
      return { triggers: 0, owed: 0 };
    };
    await expect(disconnect()).resolves.toEqual({ ok: true, state: 'disconnected', tombstones: 0, message: null });
    expect(released).toEqual([{ ...input, triggers: false, force: false }]);
    expect(sent()).toEqual([[refreshToken, 'refresh_token']]);
    await isGone();
    await expect(stage.ask(deleteIntegration, { workspace: stage.workspace, integration })).resolves.toEqual({ ok: true });
    await until(() => signals.includes('disconnected'));
    expect(signals.filter((status) => status !== 'active')).toEqual(['disconnecting', 'disconnected']);
  });

  it('is refused while triggers work with it, which are named, and done when they are to go too', async () => {
    const { disconnect, input, isGone, status } = await connected();
    uses = { triggerCount: 21, triggers: Array.from({ length: 21 }, (_, index) => trigger(`hook ${index}`)) };
    await expect(disconnect()).rejects.toMatchObject({
      code: 'in_use', message: expect.stringContaining('21 triggers'),
      fields: expect.arrayContaining([{ path: expect.stringMatching(/^triggers\.trg_/), message: '"hook 0" works with it' }, { path: 'triggers', message: 'and 1 more' }]),
    });
    expect([await status(), released]).toEqual(['active', []]);
    await expect(disconnect({ triggers: 'delete' })).resolves.toMatchObject({ state: 'disconnected' });
    expect(released).toEqual([{ ...input, triggers: true, force: false }]);
    await isGone();
  });

  it('stays connected when a trigger was made meanwhile that nobody agreed to delete', async () => {
    const { disconnect, status } = await connected();
    release = () => {
      uses = { triggerCount: 1, triggers: [trigger('late')] };
      return { triggers: 1, owed: 0 };
    };
    await expect(disconnect()).rejects.toMatchObject({ code: 'in_use', fields: [expect.objectContaining({ message: '"late" works with it' })] });
    expect([await status(), server.revocations]).toEqual(['active', []]);
  });

  it('goes through when that is agreed to after all while the first who asked is told of the trigger', async () => {
    const { disconnect, input, isGone } = await connected();
    let [answerFirst, answerSecond]: ((is: Released) => void)[] = [];
    const first = new Promise<Released>((resolve) => { answerFirst = resolve; });
    const second = new Promise<Released>((resolve) => { answerSecond = resolve; });
    release = ({ triggers }) => (triggers ? second : first);
    const asked = [disconnect()];
    await until(() => released.length === 1, 'the first to ask');
    asked.push(disconnect({ triggers: 'delete' }));
    await until(() => released.length === 2, 'the second to ask');
    answerFirst!({ triggers: 1, owed: 0 });
    await until(() => released.length === 3, 'the first to go on with what was agreed to');
    expect(released.at(-1)).toEqual({ ...input, triggers: true, force: false });
    answerSecond!({ triggers: 0, owed: 0 });
    expect(await Promise.all(asked)).toMatchObject([{ state: 'disconnected' }, { state: 'disconnected' }]);
    expect(server.revocations).not.toEqual([]);
    await isGone();
  });

  it('neither revokes nor says that it is done when the connection stays after all', async () => {
    const { connection, disconnect, status } = await connected();
    release = async () => {
      const data = { status: 'active', disconnectAt: null, revokeUntil: null };
      await stage.database.prisma.connection.update({ where: { id: connection }, data });
      return { triggers: 0, owed: 0 };
    };
    for (const more of [{}, { force: 'true' as const }]) await expect(disconnect(more)).rejects.toMatchObject({ code: 'in_use' });
    expect([await status(), server.revocations]).toEqual(['active', []]);
  });

  it('keeps the token usable until nothing is owed any more, and is finished by the schedule', async () => {
    const { disconnect, input, isGone, status } = await connected();
    release = () => ({ triggers: 0, owed: 2 });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting', tombstones: 2, message: expect.stringContaining('by itself') });
    expect(await status()).toBe('disconnecting');
    await expect(stage.ask(getAccessToken, input)).resolves.toMatchObject({ accessToken: server.tokens.access });
    await expect(stage.ask(getAccessToken, { ...input, rejectedGeneration: 1 })).resolves.toMatchObject({ generation: 2 });
    expect([await status(), server.revocations, await onSchedule()]).toEqual(['disconnecting', [], { disconnected: 0, waiting: 0, more: false }]);
    stage.clock.advance(6_000);
    expect(await onSchedule()).toMatchObject({ disconnected: 0, waiting: 1 });
    release = () => ({ triggers: 0, owed: 0 });
    stage.clock.advance(11_000);
    expect(await onSchedule()).toMatchObject({ disconnected: 1, waiting: 0 });
    // The pair that the removals had renewed, not the one it began with.
    expect(sent()).toEqual([[server.tokens.refresh, 'refresh_token']]);
    await isGone();
  });

  it('goes on when the process died after any step', async () => {
    const { input, isGone } = await connected();
    const { prisma } = stage.database;
    // As `begin` leaves it, when nobody lived to do more.
    await prisma.connection.update({ where: { id: input.connection }, data: { status: 'disconnecting', disconnectAt: stage.clock.in(45_000), disconnectTriggers: true } });
    expect(await onSchedule()).toMatchObject({ disconnected: 0 });
    stage.clock.advance(46_000);
    expect(await onSchedule()).toMatchObject({ disconnected: 1 });
    expect(released).toEqual([{ ...input, triggers: true, force: false }]);
    await isGone();
  });

  it('takes no new grant, and no new work, while it is under way', async () => {
    const { disconnect, integration, status } = await connected(probe.id, 'leaving');
    release = () => ({ triggers: 0, owed: 1 });
    await disconnect();
    await expect(connect(stage, integration, newBrowser())).rejects.toMatchObject({ code: 'conflict' });
    expect(await status()).toBe('disconnecting');
  });

  it('waits for trigger-service when that is away', async () => {
    const { disconnect, isGone } = await connected();
    release = () => {
      throw new Error('away');
    };
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting' });
    release = () => ({ triggers: 0, owed: 0 });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnected' });
    await isGone();
  });
});

describe('force', () => {
  it('gives up what is owed and the revocation', async () => {
    const { disconnect, input, isGone } = await connected();
    release = ({ force }) => ({ triggers: 0, owed: force ? 0 : 1 });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting', message: expect.stringContaining('force=true') });
    await expect(disconnect({ force: 'true' })).resolves.toMatchObject({ state: 'disconnected' });
    expect(released.at(-1)).toEqual({ ...input, triggers: false, force: true });
    expect(server.revocations).toEqual([]);
    await isGone();
  });
});

describe('the revocation', () => {
  it('that the service does not answer is tried for an hour; then people are told, and the tokens go all the same', async () => {
    const { disconnect, isGone, connection } = await connected();
    server.bend.revoke = () => json(503, {});
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting', tombstones: 0 });
    stage.clock.advance(HOUR / 2);
    expect(await onSchedule()).toMatchObject({ waiting: 1 });
    expect(told).toEqual([]);
    stage.clock.advance(HOUR);
    expect(await onSchedule()).toMatchObject({ disconnected: 1 });
    expect(told).toMatchObject([{ severity: 'warning', kind: 'connection.not-revoked', title: 'A grant at OAuth probe was not revoked', facts: { connectionId: connection }, text: expect.stringContaining('HTTP 503') }]);
    await isGone();
  });

  it('is not asked for any more for a while at a service that keeps failing, and goes on later', async () => {
    const failing = await openTokenServer();
    try {
      const { id: integration } = await enterIntegration(stage, probe.id, failing.url);
      const { id: connection } = await connect(stage, integration, newBrowser());
      failing.bend.revoke = () => json(503, {});
      await expect(stage.ask(deleteConnection, { workspace: stage.workspace, connection })).resolves.toMatchObject({ state: 'disconnecting' });
      for (let minutes = 0; minutes < 10; minutes += 1) {
        stage.clock.advance(HOUR / 60);
        expect(await onSchedule()).toMatchObject({ waiting: 1, disconnected: 0 });
      }
      expect(failing.revocations).toHaveLength(8);
    } finally {
      await failing.close();
    }
  });

  it('that the service refuses is final, and is said', async () => {
    const { disconnect, isGone } = await connected();
    server.bend.revoke = () => json(400, { error: 'unsupported_token_type', error_description: 'Not here' });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnected', message: expect.stringMatching(/not revoked.*400: Not here/) });
    expect(told).toEqual([]);
    await isGone();
  });

  it('never tells a secret, whatever the service echoes', async () => {
    const { disconnect, refreshToken } = await connected();
    server.bend.revoke = () => json(400, { error: 'invalid_request', error_description: `unknown ${refreshToken} of ${CLIENT_SECRET}` });
    const said = JSON.stringify(await disconnect());
    expect(said).not.toContain(refreshToken);
    expect(said).not.toContain(CLIENT_SECRET);
  });

  it('is left out where the service offers none, and a person is told what to do', async () => {
    const { disconnect, input } = await connected(withoutRevocation.id);
    await expect(stage.ask(planDisconnection, input)).resolves.toMatchObject({ revokes: false, revocation: expect.stringContaining('yourself') });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnected', message: expect.stringContaining('yourself') });
    expect(server.revocations).toEqual([]);
  });

  it('is left out while another connection lives of the same grant, and done with the last one', async () => {
    const workspace = await stage.newWorkspace();
    const first = await connected(probe.id, 'of both');
    const { id: integration } = await enterIntegration({ ...stage, workspace }, probe.id, server.url);
    const { id: connection } = await connect({ ...stage, workspace }, integration, newBrowser());
    await expect(stage.ask(planDisconnection, first.input)).resolves.toMatchObject({ revokes: false, revocation: expect.stringContaining('Another connection') });
    await expect(first.disconnect()).resolves.toMatchObject({ state: 'disconnected', message: expect.stringContaining('Another connection') });
    expect(server.revocations).toEqual([]);
    await expect(stage.ask(planDisconnection, { workspace, connection })).resolves.toMatchObject({ revokes: true });
    await expect(stage.ask(deleteConnection, { workspace, connection })).resolves.toMatchObject({ state: 'disconnected', message: null });
    expect(server.revocations).toHaveLength(1);
  });

  it.each([
    ['whose grant is dead', { status: 'auth_required', reasonCode: 'dead_grant' }, true],
    ['that is revoked at the same time', { status: 'disconnecting', revokeUntil: new Date() }, true],
    ['that has still to be removed at the service', { status: 'disconnecting' }, false],
  ])('beside another connection %s: is planned as it is done', async (_which, data, revokes) => {
    const workspace = await stage.newWorkspace();
    const { disconnect, input } = await connected(probe.id, 'of both');
    const { id: integration } = await enterIntegration({ ...stage, workspace }, probe.id, server.url);
    const { id } = await connect({ ...stage, workspace }, integration, newBrowser());
    await stage.database.prisma.connection.update({ where: { id }, data });
    await expect(stage.ask(planDisconnection, input)).resolves.toMatchObject({ revokes });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnected' });
    expect(server.revocations).toHaveLength(revokes ? 1 : 0);
  });

  it('is not tried with a grant that is dead', async () => {
    const { disconnect, input } = await connected();
    server.bend.token = () => json(400, { error: 'invalid_grant' });
    await expect(stage.ask(getAccessToken, { ...input, rejectedGeneration: 1 })).rejects.toMatchObject({ code: 'connection_auth_required' });
    await expect(stage.ask(planDisconnection, input)).resolves.toMatchObject({ revokes: false, revocation: expect.stringContaining('does not work any more') });
    release = ({ force }) => ({ triggers: 0, owed: force ? 0 : 1 });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting', message: expect.stringMatching(/grant.*force=true/) });
    await expect(stage.ask(getAccessToken, input)).rejects.toMatchObject({ code: 'connection_auth_required' });
    await expect(disconnect({ force: 'true' })).resolves.toMatchObject({ state: 'disconnected' });
    expect(server.revocations).toEqual([]);
  });
});

describe('an account whose grant died before its hooks were removed', () => {
  const owing = async () => {
    const account = `dead-${Math.random()}`;
    const made = await connected(probe.id, account);
    server.bend.token = () => json(400, { error: 'invalid_grant' });
    await expect(stage.ask(getAccessToken, { ...made.input, rejectedGeneration: 1 })).rejects.toMatchObject({ code: 'connection_auth_required' });
    delete server.bend.token;
    release = () => ({ triggers: 0, owed: 1 });
    uses = { ...uses, tombstones: 1 };
    const authoriseAnew = async () => finish(stage, await walkFrom(stage, (await stage.ask(reconnectConnection, made.input)).url, newBrowser()));
    return { ...made, account, authoriseAnew };
  };

  it('is told to wait for a person, with both ways out', async () => {
    const { disconnect, input } = await owing();
    const ways = expect.stringMatching(/does not work any more.*Reconnect.*force=true/);
    await expect(stage.ask(planDisconnection, input)).resolves.toMatchObject({ revokes: false, revocation: ways });
    await expect(disconnect()).resolves.toMatchObject({ state: 'disconnecting', message: ways });
    await expect(stage.ask(getConnection, input)).resolves.toMatchObject({ status: 'disconnecting', reasonCode: 'dead_grant', reason: ways });
  });

  it('goes on at once when it is authorised anew, with the scopes it had, and ends as asked', async () => {
    const { disconnect, input, connection, authoriseAnew, isGone } = await owing();
    await stage.database.prisma.connection.update({ where: { id: connection }, data: { scopes: ['openid', 'hooks'] } });
    await disconnect({ triggers: 'delete' });
    const signals: string[] = [];
    stage.bus.onSignal(connectionChanged, ({ connectionId, status }) => void (connectionId === connection && signals.push(status)));
    await stage.bus.connection().flush();
    await expect(authoriseAnew()).resolves.toMatchObject({ id: connection, status: 'disconnecting', reasonCode: null, scopes: expect.arrayContaining(['hooks']) });
    await until(() => signals.length > 0);
    expect(signals).toEqual(['disconnecting']);
    await expect(stage.ask(getAccessToken, input)).resolves.toMatchObject({ accessToken: server.tokens.access });
    const fresh = server.tokens.refresh;
    release = () => ({ triggers: 0, owed: 0 });
    expect(await onSchedule()).toMatchObject({ disconnected: 1 });
    expect(released.at(-1)).toEqual({ ...input, triggers: true, force: false });
    expect(sent()).toEqual([[fresh, 'refresh_token']]);
    await isGone();
  });

  it('takes no grant of another account', async () => {
    const { disconnect, authoriseAnew, status } = await owing();
    await disconnect();
    server.tokens.account = 'somebody else';
    await expect(authoriseAnew()).rejects.toMatchObject({ code: 'conflict' });
    expect(await status()).toBe('disconnecting');
  });
});

describe('the plan', () => {
  it('says what goes, and changes nothing', async () => {
    const { input, status } = await connected();
    uses = { triggerCount: 1, triggers: [trigger('pushes')] };
    await expect(stage.ask(planDisconnection, input)).resolves.toEqual({
      triggerCount: 1, triggers: [{ id: expect.any(String), name: 'pushes' }], subscriptions: 0, tombstones: 0, heldRuns: 0, revokes: true, revocation: expect.stringContaining('revoked at'),
    });
    expect([await status(), released]).toEqual(['active', []]);
  });

  it('is not for another workspace', async () => {
    const { connection } = await connected();
    const workspace = await stage.newWorkspace();
    await expect(stage.ask(planDisconnection, { workspace, connection })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.ask(deleteConnection, { workspace, connection })).rejects.toMatchObject({ code: 'not_found' });
  });
});
