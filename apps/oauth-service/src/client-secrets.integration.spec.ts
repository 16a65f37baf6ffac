import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getAccessToken, getIntegration, updateIntegration, type IntegrationView } from '@vane/contracts';
import { newSecret } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser } from './fixtures/browser.js';
import { connect, enterIntegration, openStage, registryOf, until, type Stage } from './fixtures/oauth-stage.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';

const [ONE, TWO, THREE, MISTYPED, AGAIN] = ['one', 'two', 'three', 'mistyped', 'mistyped again'].map((name) => newSecret(`client secret ${name}`)) as [string, string, string, string, string];

/** The service takes the client with these secrets, and refuses it as RFC 6749 section 5.2 says with any other. */
let taken: string[];
let server: TokenServer;
let stage: Stage;

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe) });
});
beforeEach(() => {
  server.reset();
  server.bend.token = (sent, proper) => (taken.includes(secretOf(sent.authorization)) ? proper() : json(401, { error: 'invalid_client' }));
});
afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const secretOf = (authorization = ''): string => decodeURIComponent(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':')[1] ?? '');
const sent = (): string[] => server.seen.map(({ authorization }) => secretOf(authorization));

/** An account connected with the secret ONE, and what can be done with both. */
async function connected() {
  taken = [ONE];
  const { id: integration } = await enterIntegration(stage, probe.id, server.url, { clientSecret: ONE });
  const { id: connection } = await connect(stage, integration, newBrowser());
  const input = { workspace: stage.workspace, integration };
  const state = () => stage.ask(getIntegration, input);
  await until(async () => (await state()).secretState === 'proven');
  server.seen.length = 0;
  let version = 1;
  return {
    integration,
    state,
    previous: async () => (await stage.database.prisma.integration.findUniqueOrThrow({ where: { id: integration } })).previousSecretEnc,
    change: async (clientSecret: string): Promise<IntegrationView> => {
      const changed = await stage.ask(updateIntegration, { ...input, ifMatch: version, clientSecret });
      version = changed.version;
      return changed;
    },
    /** Has the token refreshed, as a service does that refuses it. */
    refresh: async () => {
      const { generation } = await stage.database.prisma.connection.findUniqueOrThrow({ where: { id: connection } });
      await stage.database.prisma.connection.updateMany({ where: { id: connection }, data: { rejectedBefore: false } });
      return stage.ask(getAccessToken, { workspace: stage.workspace, connection, rejectedGeneration: generation });
    },
  };
}

describe('a changed client secret', () => {
  it('is unproven until the service has accepted it, and then the one before is wiped', async () => {
    const { change, refresh, state, previous } = await connected();
    taken = [ONE, TWO];
    await expect(change(TWO)).resolves.toMatchObject({ secretState: 'unproven' });
    expect(await previous()).not.toBeNull();
    await expect(refresh()).resolves.toMatchObject({ generation: 2 });
    await until(async () => (await state()).secretState === 'proven');
    expect(await previous()).toBeNull();
    expect(sent()).toEqual([TWO]);
  });

  it('that is wrong cuts off nobody: the one before is used, and the wrong one is shown as refused', async () => {
    const { change, refresh, state } = await connected();
    await change(MISTYPED);
    await expect(refresh()).resolves.toMatchObject({ generation: 2 });
    expect(sent()).toEqual([MISTYPED, ONE]);
    await until(async () => (await state()).secretState === 'refused');
    // What was refused is tried last from now on, so that nobody is locked out for failing.
    await expect(refresh()).resolves.toMatchObject({ generation: 3 });
    expect(sent()).toEqual([MISTYPED, ONE, ONE]);
  });

  it('that was refused is taken when the service knows it at last and the one before is gone', async () => {
    const { change, refresh, state, previous } = await connected();
    await change(TWO);
    await refresh();
    await until(async () => (await state()).secretState === 'refused');
    taken = [TWO];
    await expect(refresh()).resolves.toMatchObject({ generation: 3 });
    expect(sent()).toEqual([TWO, ONE, ONE, TWO]);
    await until(async () => (await state()).secretState === 'proven');
    expect(await previous()).toBeNull();
  });

  it('corrected keeps the last one that the service took', async () => {
    const { change, refresh, state } = await connected();
    await change(MISTYPED);
    await change(AGAIN);
    await expect(refresh()).resolves.toMatchObject({ generation: 2 });
    expect(sent()).toEqual([AGAIN, ONE]);
    await until(async () => (await state()).secretState === 'refused');
  });

  it('is tried once more for a code too, which a refused client does not use up', async () => {
    const { integration, change, state } = await connected();
    await change(MISTYPED);
    await expect(connect(stage, integration, newBrowser())).resolves.toMatchObject({ status: 'active' });
    expect(sent()).toEqual([MISTYPED, ONE]);
    await until(async () => (await state()).secretState === 'refused');
  });

  it('leaves the account connected when the service takes neither, and is tried again after a correction', async () => {
    const { change, refresh } = await connected();
    taken = [THREE];
    await change(TWO);
    await expect(refresh()).rejects.toMatchObject({ code: 'oauth_exchange_failed', message: expect.stringContaining('client secret') });
    await change(THREE);
    await expect(refresh()).resolves.toMatchObject({ generation: 2 });
  });

  it('to the same one changes nothing', async () => {
    const { change, previous } = await connected();
    await expect(change(ONE)).resolves.toMatchObject({ secretState: 'proven', version: 2 });
    expect(await previous()).toBeNull();
  });
});

it('is not told to the hosts that the integration moves to, nor kept for another client', async () => {
  const { integration, previous, change } = await connected();
  await change(TWO);
  expect(await previous()).not.toBeNull();
  await stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch: 2, clientId: 'another', confirm: true });
  expect(await previous()).toBeNull();
});
