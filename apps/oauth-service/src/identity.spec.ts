import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { EgressClient, OriginGuard, parseEgressAllow, SystemClock } from '@vane/runtime';
import { newSecret } from '@vane/testing';
import { adapter } from '../../../libs/testing/src/probe/oauth-probe.js';
import { json, openTokenServer, type TokenServer } from './fixtures/token-server.js';
import { askIdentity } from './identity.js';
import type { OAuthParty } from './oauth-party.js';

let server: TokenServer;
let egress: EgressClient;

beforeAll(async () => {
  server = await openTokenServer();
  egress = new EgressClient({ policy: { allow: parseEgressAllow('127.0.0.1') } });
});
afterAll(async () => {
  await egress?.close();
  await server?.close();
});

it('does not ask a service that keeps failing whose account it is, and says so', async () => {
  let asked = 0;
  server.bend.identity = () => {
    asked += 1;
    return json(503, {});
  };
  const clock = new SystemClock();
  const origins = new OriginGuard(clock, undefined, { failures: 2 });
  const party = { adapter, profile: adapter.oauth!, hosts: { base: server.url }, clientId: 'vane', credentials: { secret: newSecret('client secret'), previous: null } } as unknown as OAuthParty;
  const tokens = { accessToken: newSecret('access token'), refreshToken: null, tokenType: 'bearer', expiresInSeconds: null, scopes: null };
  const ask = () => askIdentity(party, tokens, { egress, clock, origins });
  for (let time = 0; time < 2; time += 1) await expect(ask()).rejects.toMatchObject({ code: 'service_unavailable' });
  await expect(ask()).rejects.toMatchObject({ code: 'service_unavailable', message: expect.stringContaining('has failed 2 calls in a row'), retryAfterMs: expect.any(Number) });
  expect(asked).toBe(2);
});
