import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstIdAt, newId } from '@vane/db';
import { AuditStage, type AuditPage } from '../fixtures/audit-stage.js';
import type { TestGateway } from '../fixtures/test-gateway.js';
import { AuditTrail } from './audit-trail.js';

let stage: AuditStage;
let gateway: TestGateway;
let admin: { id: string; token: string };
let base: string;

beforeAll(async () => {
  stage = await AuditStage.open();
  gateway = stage.gateway;
});
afterAll(() => gateway?.stop());
beforeEach(async () => {
  await stage.renew();
  ({ admin, base } = stage);
});

const page = (query = '') => stage.page(query);
const entries = (query = '') => stage.entries(query);

describe('the audit trail', () => {
  const add = async (count: number, of: Record<string, unknown> = {}) => {
    const row = { at: gateway.clock.now(), actorKind: 'token', actorId: 'tok_1', actorLabel: 'robot', operation: 'runs.replay', correlationId: 'x', address: '::1', outcome: 'ok', ...of };
    const workspaceId = base.split('/').at(-1)!;
    const data = Array.from({ length: count }, () => ({ workspaceId, ...row, id: newId('audit', row.at as Date) }));
    await gateway.database.prisma.auditEntry.createMany({ data });
    return data.map(({ id }) => id);
  };

  test('is read page by page, newest first, each entry once', async () => {
    const ids = await add(5);
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const { items, next } = await page(`?limit=2${cursor}`);
      seen.push(...items.map(({ id }) => id));
      if (next === null) break;
      cursor = `&cursor=${next}`;
    }
    expect(seen).toEqual(ids.reverse());
  });

  test('is searched by actor, person, operation, target, outcome, time and text', async () => {
    const [at, later] = [new Date('2026-01-01T00:00:00.000Z'), new Date('2026-01-01T00:00:00.001Z')];
    const [old] = await add(1, { at });
    const [second] = await add(1, { at: later, actorId: 'tok_2', actorLabel: '100%_sure', userId: 'usr_1', operation: 'triggers.update', targetId: 'trg_9', outcome: 'conflict' });
    const [unknown] = await add(1, { outcome: null, operation: 'triggers.delete' });
    const found = async (query: string) => (await entries(`?${query}`)).map(({ id }) => id);
    expect(await found('actor=tok_2')).toEqual([second]);
    expect(await found('actor=usr_1')).toEqual([second]);
    expect(await found('operation=triggers.update')).toEqual([second]);
    expect(await found('operation=triggers.')).toEqual([unknown, second]);
    expect(await found('target=trg_9')).toEqual([second]);
    expect(await found('outcome=conflict')).toEqual([second]);
    expect(await found('outcome=unknown')).toEqual([unknown]);
    expect(await found('outcome=unknown&actor=tok_2')).toEqual([]);
    expect(await found(`from=${later.toISOString()}`)).toEqual([unknown, second]);
    expect(await found(`to=${later.toISOString()}`)).toEqual([old]);
    expect(await found(`from=${at.toISOString()}&to=${later.toISOString()}&q=ROBOT`)).toEqual([old]);
    expect(await found('q=100%25_s')).toEqual([second]);
    expect(await found('q=0%25s')).toEqual([]);
    expect(await found("q=';--")).toEqual([]);
  });

  test('finds what is rare by going on from what one call looked at', async () => {
    const [rare] = await add(1, { at: new Date('2026-01-01T00:00:00Z'), targetId: 'needle' });
    await gateway.database.pool.query(
      `INSERT INTO audit_entry (id, workspace_id, at, actor_kind, actor_id, actor_label, operation, outcome, correlation_id, address)
       SELECT left($3, 14) || lpad(i::text, 16, '0'), $1, $2, 'token', 'tok_1', 'robot', 'runs.replay', 'ok', 'x', '::1' FROM generate_series(1, 25000) i`,
      [base.split('/').at(-1), gateway.clock.now(), firstIdAt('audit', new Date('2026-02-01T00:00:00Z'))],
    );
    const first = await page('?q=needle');
    expect(first).toMatchObject({ items: [], next: expect.stringMatching(/^aud_/) });
    expect(await page(`?q=needle&cursor=${first.next}`)).toMatchObject({ items: [{ id: rare }], next: null });
    expect(await page('?target=needle')).toMatchObject({ items: [{ id: rare }], next: null });
  });

  test('ends a page early rather than fill more than a message can hold', async () => {
    const documents = Array.from({ length: 60 }, (_, index) => `${index} ${'z'.repeat(1_000)}`);
    const ids = await add(30, { before: documents });
    const seen: string[] = [];
    let pages = 0;
    for (let next: string | null = 'aud_z'; next !== null; pages += 1) {
      const one: AuditPage = await page(`?limit=200&cursor=${next}`);
      seen.push(...one.items.map(({ id }) => id));
      next = one.next;
    }
    expect(pages).toBeGreaterThan(2);
    expect(seen).toEqual(ids.reverse());
  });

  test('is of one workspace for its admins, and of all for superadmins', async () => {
    const [own] = await add(1);
    const [instance] = await add(1, { workspaceId: null });
    expect((await entries()).map(({ id }) => id)).toEqual([own]);
    const all = await gateway.send('GET', '/api/v1/audit?limit=2', { token: gateway.superadmin });
    expect((all.json as AuditPage).items.map(({ id }) => id)).toEqual([instance, own]);
    const actor = await gateway.send('GET', '/api/v1/audit?actor=tok_1&limit=1', { token: gateway.superadmin });
    expect((actor.json as AuditPage).items.map(({ id }) => id)).toEqual([instance]);
    expect((await gateway.send('GET', '/api/v1/audit', { token: admin.token })).status).toBe(403);
    const editor = await gateway.addToken(base.split('/').at(-1)!, 'editor');
    expect((await gateway.send('GET', `${base}/audit`, { token: editor.token })).status).toBe(403);
    expect((await gateway.send('GET', `${base}/audit/export`, { token: editor.token })).status).toBe(403);
  });

  test('is forgotten after its days, and never when they are 0', async () => {
    const trail = new AuditTrail(gateway.database, gateway.clock);
    const [old] = await add(1, { at: gateway.clock.in(-10 * 86_400_000 - 1_000) });
    const [young] = await add(1, { at: gateway.clock.in(-10 * 86_400_000 + 60_000) });
    expect(await trail.sweep(0)).toBe(0);
    expect(await trail.sweep(10)).toBeGreaterThanOrEqual(1);
    const left = (await entries()).map(({ id }) => id);
    expect(left).toContain(young);
    expect(left).not.toContain(old);
  });

  describe('as CSV', () => {
    const download = (query = '') => gateway.send('GET', `${base}/audit/export${query}`, { token: admin.token });

    test('is one document of all pages, with a header, as RFC 4180 says', async () => {
      const ids = await add(450);
      const { status, headers, text } = await download();
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
      expect(headers.get('content-disposition')).toBe('attachment; filename="audit.csv"');
      const lines = text.split('\r\n');
      expect(lines[0]).toBe('id,at,workspaceId,actorKind,actorId,actorLabel,userId,operation,targetId,outcome,status,correlationId,address,endedAt,input,before,after');
      expect(lines.at(-1)).toBe('');
      expect(lines.slice(1, -1).map((line) => line.split(',')[0])).toEqual(ids.reverse());
    });

    test('quotes what needs it, writes documents as JSON, and disarms formulas', async () => {
      await add(1, { actorLabel: '=HYPERLINK("https://evil.example")', targetId: 'a,"b"\r\nc', operation: '+1', correlationId: '@SUM(A1)', address: '-2', input: { a: [1, 'x'] } });
      const { text } = await download();
      expect(text).toContain(`,"'=HYPERLINK(""https://evil.example"")",`);
      expect(text).toContain('"a,""b""\r\nc"');
      expect(text).toContain(",'+1,");
      expect(text).toContain(",'@SUM(A1),");
      expect(text).toContain(",'-2,");
      expect(text).toContain('"{""a"":[1,""x""]}"');
    });

    test('holds what the filter finds, and nothing else', async () => {
      const [one] = await add(1, { targetId: 'one' });
      await add(1, { targetId: 'two' });
      const lines = (await download('?target=one')).text.trim().split('\r\n');
      expect(lines).toHaveLength(2);
      expect(lines[1]).toContain(one);
      expect((await download('?target=none')).text.trim().split('\r\n')).toHaveLength(1);
      expect((await download('?limit=1')).status).toBe(400);
    });

    test('of all workspaces and of what belongs to none is for superadmins', async () => {
      const ids = [...(await add(1, { targetId: 'both' })), ...(await add(1, { targetId: 'both', workspaceId: null }))];
      const { status, headers, text } = await gateway.send('GET', '/api/v1/audit/export?target=both', { token: gateway.superadmin });
      expect([status, headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
      expect(text.trim().split('\r\n').slice(1).map((line) => line.split(',')[0])).toEqual(ids.reverse());
      expect((await gateway.send('GET', '/api/v1/audit/export', { token: admin.token })).status).toBe(403);
    });
  });
});
