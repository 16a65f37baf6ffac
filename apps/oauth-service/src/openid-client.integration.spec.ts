import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { deleteConnection, getAccessToken, getConnection, getConnectionUses, getIntegration, releaseConnection, updateIntegration } from '@vane/contracts';
import { startOpenIdProvider, type OpenIdProvider } from '@vane/testing';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { answer } from './fixtures/answer.js';
import { newBrowser } from './fixtures/browser.js';
import { API_URL, connect, enterIntegration, openStage, registryOf, until, type Stage } from './fixtures/oauth-stage.js';

const HOUR = 3_600_000;
let provider: OpenIdProvider;
let stage: Stage;
let integration: string;
let input: { workspace: string; connection: string };

beforeAll(async () => {
  provider = await startOpenIdProvider({ redirectUri: `${API_URL}/oauth/callback` });
  stage = await openStage({ allow: new URL(provider.url).host, adapters: registryOf(probe) });
  answer(stage, getConnectionUses, () => ({ triggerCount: 0, triggers: [], scopes: [], subscriptions: 0, tombstones: 0, heldRuns: 0 }));
  answer(stage, releaseConnection, () => ({ triggers: 0, owed: 0 }));
});
beforeEach(async () => {
  await stage.database.prisma.connection.deleteMany();
  const ada = newBrowser((page): Record<string, string> => (page.includes('name="login"') ? { login: 'ada', password: 'any' } : {}));
  integration = (await enterIntegration(stage, probe.id, provider.url, { clientSecret: provider.clientSecret })).id;
  const { id: connection } = await connect(stage, integration, ada);
  input = { workspace: stage.workspace, connection };
  await until(async () => (await secretState()) === 'proven');
});
afterAll(async () => {
  await stage?.close();
  await provider?.close();
});

const secretState = async () => (await stage.ask(getIntegration, { workspace: stage.workspace, integration })).secretState;
const statusOf = async (accessToken: string) => (await fetch(`${provider.url}/me`, { headers: { authorization: `Bearer ${accessToken}` } })).status;
const change = (ifMatch: number, clientSecret: string) => stage.ask(updateIntegration, { workspace: stage.workspace, integration, ifMatch, clientSecret });

it('a wrong client secret keeps accounts connected at a provider that ends a grant whose refresh token comes twice', async () => {
  await change(1, 'not the one of this client');
  for (const [generation, state] of [[2, 'refused'], [3, 'refused']] as const) {
    stage.clock.advance(HOUR);
    await expect(stage.ask(getAccessToken, input)).resolves.toMatchObject({ generation });
    await until(async () => (await secretState()) === state);
  }
  await change(2, provider.clientSecret);
  stage.clock.advance(HOUR);
  await expect(stage.ask(getAccessToken, input)).resolves.toMatchObject({ generation: 4 });
  await until(async () => (await secretState()) === 'proven');
  const { previousSecretEnc } = await stage.database.prisma.integration.findUniqueOrThrow({ where: { id: integration } });
  expect(previousSecretEnc).toBeNull();
});

it('disconnecting revokes the grant: its tokens are worth nothing at the provider any more', async () => {
  const { accessToken } = await stage.ask(getAccessToken, input);
  expect(await statusOf(accessToken)).toBe(200);
  await expect(stage.ask(deleteConnection, input)).resolves.toEqual({ ok: true, state: 'disconnected', tombstones: 0, message: null });
  expect(await statusOf(accessToken)).toBe(401);
  await expect(stage.ask(getConnection, input)).rejects.toMatchObject({ code: 'not_found' });
});
