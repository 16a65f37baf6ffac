import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@vane/testing';
import pg from 'pg';
import { GoogleStage } from './google-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';

const DUE = 300;
const AT_ONCE = 8;

let instance: OwnInstance | undefined;
let stage: GoogleStage | undefined;
let database: pg.Client;

beforeAll(async () => {
  // Without canaries: at a service that shows nothing, one is a renewal of its own.
  instance = await startOwnInstance({ VANE_SCALE: 'sync-worker=4 trigger-service=2', VANE_CANARY_EVERY_SECONDS: '0' });
  stage = await GoogleStage.open('renewals at once', {}, instance);
  database = new pg.Client({ connectionString: instance.urls.database });
  await database.connect();
}, 120_000);
afterAll(async () => {
  await database?.end();
  await stage?.close();
  await instance?.stop();
}, 120_000);

/** Triggers on calendars of their own, through the API. */
async function listen({ addCalendar, send }: Pick<GoogleStage, 'addCalendar' | 'send'>): Promise<void> {
  const left = Array.from({ length: DUE }, (_, index) => addCalendar(`Calendar ${index}`));
  const work = async () => {
    for (let calendarId = left.shift(); calendarId !== undefined; calendarId = left.shift()) expect((await send('calendar-events', { calendarId })).status).toBe(201);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

it('four sync-workers, many due at once: each is renewed exactly once', async () => {
  const google = stage!;
  await listen({ addCalendar: (summary) => google.addCalendar(summary), send: (type, config) => google.send(type, config) });
  const old = google.live().map(({ id }) => id);
  expect(old).toHaveLength(DUE);

  const { rowCount } = await database.query('UPDATE subscription SET renew_at = now()');
  expect(rowCount).toBe(DUE);
  await eventually('every old channel to be ended', async () => !google.live().some(({ id }) => old.includes(id)), { timeoutMs: 120_000, everyMs: 250 });
  await eventually('nothing to be left to do', async () => {
    const { rows } = await database.query<{ open: string }>(`SELECT count(*) AS open FROM subscription WHERE status NOT IN ('active', 'removed') OR renew_at <= now()`);
    return rows[0]!.open === '0';
  }, { timeoutMs: 30_000, everyMs: 250 });

  const renewed = [...google.fake.state.channels.values()].filter(({ id }) => !old.includes(id)).map(({ resource }) => resource);
  expect({ renewed: new Set(renewed).size, renewals: renewed.length }).toEqual({ renewed: DUE, renewals: DUE });
  expect(google.live()).toHaveLength(DUE);
  expect(google.asked('calendar.events.watch')).toBe(2 * DUE);
}, 300_000);
