import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { getAccessToken } from '@vane/contracts';
import { adapter as probe } from '../../../libs/testing/src/probe/oauth-probe.js';
import { newBrowser } from './fixtures/browser.js';
import { connect, enterIntegration, openStage, registryOf, until, type Stage } from './fixtures/oauth-stage.js';
import { openTokenServer, type TokenServer } from './fixtures/token-server.js';

const HOUR = 3_600_000;
const GATE = 4711;

let server: TokenServer;
let stage: Stage;
let connection: string;

beforeAll(async () => {
  server = await openTokenServer();
  stage = await openStage({ allow: server.host, adapters: registryOf(probe), processes: 2 });
});

beforeEach(async () => {
  server.reset();
  await stage.database.prisma.connection.deleteMany({});
  connection = (await connect(stage, (await enterIntegration(stage, probe.id, server.url)).id, newBrowser())).id;
  server.seen.length = 0;
});

afterAll(async () => {
  await stage?.close();
  await server?.close();
});

const token = () => stage.ask(getAccessToken, { workspace: stage.workspace, connection });
const row = async () => (await stage.database.prisma.connection.findUnique({ where: { id: connection } }))!;
const query = async (sql: string): Promise<number> => Number((await stage.database.pool.query<{ n: string }>(sql)).rows[0]?.n);

/** Runs `body` (PL/pgSQL) before every update of a connection, until the answer is called. */
async function beforeUpdate(when: string, body: string): Promise<() => Promise<unknown>> {
  await query(`CREATE FUNCTION tried() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$`);
  await query(`CREATE TRIGGER tried BEFORE UPDATE ON connection FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION tried()`);
  return () => query('DROP FUNCTION tried CASCADE');
}

describe('tokens that the database does not take', () => {
  it('are stored when it works again, before anybody sends the old token', async () => {
    await query('CREATE SEQUENCE tries');
    let over: () => Promise<unknown> = () => Promise.resolve();
    let answer: () => void = () => undefined;
    let arrived = false;
    const held = new Promise<void>((resolve) => { answer = resolve; });
    server.bend.token = (_sent, proper) => {
      arrived = true;
      return { ...proper(), after: held };
    };
    stage.clock.advance(HOUR);
    const first = token();
    await until(() => arrived, 'the refresh to arrive');
    over = await beforeUpdate('true', `PERFORM nextval('tries'); RAISE EXCEPTION 'the database is away';`);
    answer();
    await until(async () => (await query('SELECT last_value AS n FROM tries')) >= 8, 'the tokens to be refused again and again');
    // The lease has ended, so that others may refresh as soon as the database is back.
    stage.clock.advance(60_000);
    await over();
    const tokens = await Promise.all([first, ...Array.from({ length: 10 }, () => token())]);
    expect(new Set(tokens.map(({ accessToken }) => accessToken))).toEqual(new Set([server.tokens.access]));
    expect(server.refreshes()).toBe(1);
    expect(await row()).toMatchObject({ status: 'active', generation: 2, leaseOwner: null, refreshIntentAt: null });
  });
});

describe('a process that is held up before it sends its request', () => {
  it('does not send it when its lease has ended meanwhile', async () => {
    const gate = await stage.database.pool.connect();
    const over = await beforeUpdate('OLD.refresh_intent_at IS NULL AND NEW.refresh_intent_at IS NOT NULL', `PERFORM pg_advisory_xact_lock_shared(${GATE});`);
    try {
      await gate.query(`SELECT pg_advisory_lock(${GATE})`);
      server.bend.token = (_sent, proper) => ({ ...proper(), delayMs: 1_500 });
      stage.clock.advance(HOUR);
      const waiting = (type: string) => query(`SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND locktype ${type} AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`);
      const callers = Promise.all([1, 2, 3].map(() => token()));
      await until(async () => (await waiting(`= 'advisory'`)) === 1, 'one to be held up');
      stage.clock.advance(30_000);
      await until(async () => (await waiting(`IN ('transactionid', 'tuple')`)) > 0, 'another to take over');
      await gate.query(`SELECT pg_advisory_unlock(${GATE})`);
      const tokens = await callers;
      expect(server.refreshes()).toBe(1);
      expect(new Set(tokens.map(({ generation }) => generation))).toEqual(new Set([2]));
      expect(await row()).toMatchObject({ status: 'active', leaseOwner: null, refreshIntentAt: null });
    } finally {
      gate.release();
      await over();
    }
  });
});
