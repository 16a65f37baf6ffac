import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createRunnable, createTrigger, deleteTrigger, getProviderView, getRun, getTrigger, listTriggers, updateRunnable, VaneError } from '@vane/contracts';
import { newToken } from './access/token.js';
import { startTestGateway, type TestGateway } from './fixtures/test-gateway.js';

let gateway: TestGateway;
let editor: string;
let base: string;

beforeAll(async () => {
  gateway = await startTestGateway({ VANE_API_GATEWAY_MAX_WAIT_MS: '300' });
  editor = (await gateway.addToken(gateway.workspace, 'editor')).token;
  base = `/api/v1/workspaces/${gateway.workspace}`;
});
afterAll(() => gateway?.stop());
beforeEach(() => gateway.responders.reset());

const problem = (status: number, code: string) => ({ status, json: { code, status, type: `urn:vane:error:${code}` } });
const script = { name: 'mine', spec: { kind: 'script', code: 'export async function main() {}' } };

describe('a call', () => {
  test('reaches the owner with flat input, the actor and the correlation id', async () => {
    gateway.responders.answer(getTrigger, () => ({ id: 'trg_1', version: 3 }));
    const reply = await gateway.send('GET', `${base}/triggers/trg_1`, { token: editor, headers: { 'x-request-id': 'my-id:1' } });
    expect(reply).toMatchObject({ status: 200, json: { id: 'trg_1' } });
    expect(reply.headers.get('x-request-id')).toBe('my-id:1');
    expect(reply.headers.get('etag')).toBe('"3"');
    const [asked] = gateway.responders.askedOf(getTrigger);
    expect(asked?.input).toEqual({ workspace: gateway.workspace, trigger: 'trg_1' });
    expect(asked?.call).toMatchObject({ correlationId: 'my-id:1', actor: { kind: 'token', role: 'editor' } });
  });

  test("for the service's own view, made as the connected account, is not an operator's", async () => {
    const operator = (await gateway.addToken(gateway.workspace, 'operator')).token;
    const [path, provider] = [`${base}/triggers/trg_1`, `${base}/triggers/trg_1/provider`];
    expect(await gateway.send('GET', provider, { token: operator })).toMatchObject(problem(403, 'forbidden'));
    expect(await gateway.send('GET', `${path}?provider=true`, { token: operator })).toMatchObject(problem(400, 'bad_request'));
    expect(gateway.responders.asked).toEqual([]);
    expect((await gateway.send('GET', provider, { token: editor })).status).toBe(200);
    expect(gateway.responders.askedOf(getProviderView)).toHaveLength(1);
  });

  test('gets a correlation id of its own when it brings one that is not well-formed', async () => {
    const { headers } = await gateway.send('GET', `${base}/triggers`, { token: editor, headers: { 'x-request-id': 'no spaces allowed' } });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('is answered with the status that the reply stands for', async () => {
    gateway.responders.answer(deleteTrigger, () => ({ ok: true, subscription: { tombstone: true } }));
    expect((await gateway.send('DELETE', `${base}/triggers/trg_1`, { token: editor })).status).toBe(202);
    expect((await gateway.send('POST', `${base}/runnables`, { token: editor, body: script })).status).toBe(201);
  });

  test('is never cached, framed, sniffed or read across origins', async () => {
    const { headers } = await gateway.send('GET', `${base}/triggers`, { token: editor, headers: { origin: 'https://elsewhere.example' } });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('access-control-allow-origin')).toBeNull();
  });

  test('sends the version of If-Match as ifMatch, and is refused without one', async () => {
    const send = (headers: Record<string, string>) => gateway.send('PATCH', `${base}/runnables/rbl_1`, { token: editor, body: { name: 'new' }, headers });
    expect(await send({})).toMatchObject(problem(428, 'precondition_required'));
    expect(await send({ 'if-match': '*' })).toMatchObject(problem(400, 'bad_request'));
    expect((await send({ 'if-match': 'W/"12"' })).status).toBe(200);
    expect(gateway.responders.askedOf(updateRunnable).map(({ input }) => input)).toEqual([
      { workspace: gateway.workspace, runnable: 'rbl_1', name: 'new', ifMatch: 12 },
    ]);
  });
});

describe('a request that is not valid', () => {
  test('is refused with the names of unknown query parameters', async () => {
    const reply = await gateway.send('GET', `${base}/triggers?limt=5&workspace=other`, { token: editor });
    expect(reply).toMatchObject(problem(400, 'bad_request'));
    expect(reply.json['fields']).toEqual([expect.objectContaining({ path: 'limt' }), expect.objectContaining({ path: 'workspace' })]);
    expect(gateway.responders.asked).toEqual([]);
  });

  test('is refused with the members of the body that the contract does not take', async () => {
    const reply = await gateway.send('POST', `${base}/runnables`, { token: editor, body: { ...script, spec: { kind: 'http', url: 'ftp://x' } } });
    expect(reply).toMatchObject({ ...problem(400, 'bad_request') });
    expect(reply.json['fields']).toEqual([expect.objectContaining({ path: 'spec.url' })]);
  });

  test('holds a character that cannot be stored', async () => {
    const root = `/api/v1/workspaces`;
    const bodies = [{ ...script, name: 'a\u0000b' }, { ...script, spec: { kind: 'script', code: 'x = "\ud800"' } }];
    for (const body of bodies) expect(await gateway.send('POST', `${base}/runnables`, { token: editor, body })).toMatchObject(problem(400, 'bad_request'));
    const trigger = { name: 't', service: 's', type: 't', runnableId: 'rbl_1', config: { deep: [{ a: 'b\u0000' }] } };
    const refused = await gateway.send('POST', `${base}/triggers`, { token: editor, body: trigger });
    expect(refused).toMatchObject({ ...problem(400, 'bad_request'), json: { detail: expect.stringContaining('cannot be stored') } });
    for (const path of ['/triggers/%00', '/triggers?cursor=%00', '/events?type=%00', '/tokens/%00']) {
      const method = path.startsWith('/tokens') ? 'DELETE' : 'GET';
      expect([path, (await gateway.send(method, base + path, { token: gateway.superadmin })).status]).toEqual([path, 400]);
    }
    for (const token of [editor, gateway.superadmin]) expect((await gateway.send('GET', `${root}/%00`, { token })).status).toBe(404);
    const late = { token: editor, body: { name: 'new' }, headers: { 'if-match': '"9999999999"' } };
    expect(await gateway.send('PATCH', `${base}/runnables/rbl_1`, late)).toMatchObject(problem(400, 'bad_request'));
    expect(gateway.responders.asked).toEqual([]);
  });

  test('may not name in the body what the path or If-Match says', async () => {
    const body = { name: 'new', ifMatch: 1, runnable: 'rbl_2' };
    const reply = await gateway.send('PATCH', `${base}/runnables/rbl_1`, { token: editor, body, headers: { 'if-match': '1' } });
    expect(reply).toMatchObject(problem(400, 'bad_request'));
    expect(reply.json['fields']).toMatchObject([{ path: 'ifMatch' }, { path: 'runnable' }]);
  });

  test.each([
    ['malformed JSON', '{"name":', {}, 400, 'bad_request'],
    ['a member named __proto__', '{"__proto__":{"x":1}}', {}, 400, 'bad_request'],
    ['an array', '[]', {}, 400, 'bad_request'],
    ['null', 'null', {}, 400, 'bad_request'],
    ['nothing', '', {}, 400, 'bad_request'],
    ['a form', 'name=mine', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported_media_type'],
    ['text', 'mine', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['an unreadable content type', '{}', { 'content-type': ';' }, 415, 'unsupported_media_type'],
  ])('has a body that is %s', async (_what, body, headers, status, code) => {
    const reply = await gateway.send('POST', `${base}/runnables`, { token: editor, body, headers });
    expect(reply).toMatchObject(problem(status, code));
    expect(reply.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(reply.json['requestId']).toBe(reply.headers.get('x-request-id'));
    expect(gateway.responders.asked).toEqual([]);
  });

  test('is refused when its body is too large, with and without a Content-Length', async () => {
    const body = Buffer.alloc(1_200_000, 32);
    for (const chunked of [false, true]) {
      const { status, text } = await upload(`${gateway.url}${base}/runnables`, { token: editor, body, chunked });
      expect({ status, code: (JSON.parse(text) as { code: string }).code }).toEqual({ status: 413, code: 'body_too_large' });
    }
    expect(gateway.responders.asked).toEqual([]);
  });

  test('is refused before its body is read when it carries no token', async () => {
    const { status } = await upload(`${gateway.url}${base}/runnables`, { body: Buffer.alloc(1_200_000, 32), chunked: true });
    expect(status).toBe(401);
  });
});

describe('a route', () => {
  test.each(['/nope', '/api/v1', '/api/v1/nope', '/api/v2/workspaces', '/api/v1/workspaces/a/b/c/d'])('%s that is not known is not found', async (path) => {
    for (const method of ['GET', 'POST', 'PROPFIND']) {
      const reply = await gateway.send(method, path, { token: editor, ...(method === 'POST' ? { body: 'x', headers: { 'content-type': 'text/plain' } } : {}) });
      expect(reply).toMatchObject(problem(404, 'not_found'));
    }
  });

  test('says which methods it takes', async () => {
    const reply = await gateway.send('PUT', `${base}/triggers/trg_1`, { token: editor, body: {} });
    expect(reply).toMatchObject(problem(405, 'method_not_allowed'));
    expect(reply.headers.get('allow')).toBe('DELETE, GET, HEAD, PATCH');
    expect((await gateway.send('OPTIONS', `${base}/triggers`)).status).toBe(405);
  });
});

describe('an owner', () => {
  test("that refuses is quoted with its code, fields and time to wait", async () => {
    gateway.responders.answer(createTrigger, () => {
      throw new VaneError('rate_limited', 'Wait a little.', { retryAfterMs: 1_500, fields: [{ path: 'config', message: 'is too much' }] });
    });
    const body = { name: 'mine', service: 'some-service', type: 'some-type', runnableId: 'rbl_1' };
    const reply = await gateway.send('POST', `${base}/triggers`, { token: editor, body });
    expect(reply).toMatchObject({ ...problem(429, 'rate_limited'), json: { detail: 'Wait a little.', fields: [{ path: 'config' }] } });
    expect(reply.headers.get('retry-after')).toBe('2');
  });

  test('that is not running means 503', async () => {
    await gateway.responders.stop('run-worker');
    expect(await gateway.send('GET', `${base}/runs/run_1`, { token: editor })).toMatchObject(problem(503, 'unavailable'));
    await gateway.responders.start('run-worker');
  });

  test('that does not answer in time means 504', async () => {
    gateway.responders.answer(getRun, () => undefined);
    const began = performance.now();
    expect(await gateway.send('GET', `${base}/runs/run_1`, { token: editor })).toMatchObject(problem(504, 'deadline_exceeded'));
    // The setting of this gateway, not the 15 s that the operation would allow.
    expect(performance.now() - began).toBeLessThan(12_000);
  });
});

describe('operations', () => {
  test('are counted and timed by name and status', async () => {
    await gateway.send('GET', `${base}/triggers`, { token: editor });
    await gateway.send('GET', `${base}/triggers`, { token: newToken() });
    const { text } = await gateway.send('GET', '/metrics');
    expect(text).toMatch(new RegExp(`vane_http_request_seconds_count{[^}]*operation="${listTriggers.name}",status="200"`));
    expect(text).toMatch(new RegExp(`vane_http_request_seconds_count{[^}]*operation="${listTriggers.name}",status="401"`));
  });

  test('need the database and the bus, and say so', async () => {
    expect(await gateway.send('GET', '/readyz')).toMatchObject({ status: 200, json: { ok: true, needs: { nats: null, postgres: null } } });
  });

  test('are described to whoever asks', async () => {
    const reply = await gateway.send('GET', '/api/v1/openapi.json');
    expect(reply).toMatchObject({ status: 200, json: { openapi: '3.1.1' } });
    expect(Object.keys(reply.json['paths'] as object)).toContain(createRunnable.http!.path);
  });
});

/** Sends a body as it is given, in pieces, and takes the answer even when it comes before the body has been sent. */
function upload(url: string, { token, body, chunked }: { token?: string; body: Buffer; chunked: boolean }): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(chunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length }),
    };
    let answered = false;
    const request = httpRequest(url, { method: 'POST', headers }, (response) => {
      answered = true;
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
    });
    // The server may close while the rest of the body is on its way; only an answer that never came is an error.
    request.on('error', (error) => (answered ? undefined : reject(error)));
    request.end(body);
  });
}
