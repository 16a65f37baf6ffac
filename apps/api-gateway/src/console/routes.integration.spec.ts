import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fastify } from 'fastify';
import { addPerson } from '../fixtures/people.js';
import { startTestGateway, type TestGateway } from '../fixtures/test-gateway.js';
import { addConsoleRoutes } from './routes.js';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway?.stop());

test.each(['/', '/sign-in', '/join', '/reset-password', '/w/wsp_x', '/w/wsp_x/triggers/trg_y?status=paused'])('%s is the document of the console, under a policy of its own', async (path) => {
  const { status, headers, text } = await gateway.send('GET', path);
  expect(status).toBe(200);
  const policy = headers.get('content-security-policy')!;
  const nonce = /'nonce-([^']+)'/.exec(policy)![1]!;
  expect(policy.replace(nonce, 'N')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-N'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  );
  expect(text).toContain(`nonce="${nonce}"`);
  expect(text).not.toContain('VANE_NONCE');
  expect(text).not.toMatch(/<script(?![^>]*\ssrc=)/);
  expect(Object.fromEntries(headers)).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin', 'x-frame-options': 'DENY' });
});

test('no nonce is given out twice', async () => {
  const policies = await Promise.all([1, 2].map(async () => (await gateway.send('GET', '/')).headers.get('content-security-policy')));
  expect(policies[0]).not.toBe(policies[1]);
});

test('its files are kept for ever and sent as they were compressed', async () => {
  const [, script] = /src="(\/assets\/[^"]+\.js)"/.exec((await gateway.send('GET', '/')).text)!;
  for (const encoding of ['br', 'gzip']) {
    const { status, headers } = await gateway.send('GET', script!, { headers: { 'accept-encoding': encoding } });
    expect(status).toBe(200);
    expect(headers.get('content-encoding')).toBe(encoding);
    expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

test('what is no page and no file stays what it was', async () => {
  for (const path of ['/nothing', '/assets/nothing.js', '/api/v1/nothing', '/assets/../package.json', '/w']) expect(await gateway.send('GET', path)).toMatchObject({ status: 404, json: { code: 'not_found' } });
  expect(await gateway.send('POST', '/sign-in', { body: {} })).toMatchObject({ status: 405, json: { code: 'method_not_allowed' } });
});

test('whoever comes first is told so, and nobody after that', async () => {
  const methods = async () => (await gateway.send('GET', '/api/v1/session/methods')).json;
  expect(await methods()).toMatchObject({ firstUser: true });
  await addPerson(gateway);
  expect(await methods()).toMatchObject({ firstUser: false });
});

test('without a build its pages say how to make one', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'vane-console-'));
  const app = fastify();
  try {
    await addConsoleRoutes(app, empty);
    const answer = await fetch(await app.listen({ port: 0, host: '127.0.0.1' }));
    expect(answer.status).toBe(503);
    expect(await answer.text()).toMatch(/not built: run "npm run build"/);
  } finally {
    await app.close();
    rmSync(empty, { recursive: true });
  }
});
