import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { SubscriptionView, TriggerView } from '@vane/contracts';
import { eventually } from '@vane/testing';
import pg from 'pg';
import { killApp, waitReady } from '../../tools/launch/index.mjs';
import { pullDue } from './due-now.js';
import { ADA, codes, fileNames, GoogleStage, summaries } from './google-stage.js';
import { startOwnInstance, type OwnInstance } from './own-instance.js';

/** Shared drives of triggers that go on from now, and of those that want everything again. */
const [NOW, ALL] = ['driveNow', 'driveAll'];

let stage: GoogleStage;

beforeAll(async () => {
  stage = await GoogleStage.open('cursor');
  for (const id of [NOW, ALL]) stage.fake.act('drives', { id, name: id, members: [ADA] });
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

const staleLine = ({ history }: SubscriptionView): string | undefined => history.find(({ reason }) => reason?.code === 'cursor_stale')?.reason!.message;

describe('Cursor', () => {
  it('two pings at once advance once', async () => {
    const trigger = await stage.trigger('drive-changes');
    await stage.settled();
    stage.fake.faults.set({ kind: 'ping-duplicate', state: 'change', times: 0 });
    const before = stage.fake.state.messages.length;
    stage.addFile('one');
    stage.addFile('two');
    await stage.fake.idle();
    const told = stage.fake.state.messages.slice(before);
    expect(told.flatMap(({ attempts }) => attempts.map(({ status }) => status))).toEqual([200, 200, 200, 200]);
    expect(fileNames(await stage.payloads(trigger, 2))).toEqual(['one', 'two']);
    expect(await stage.workspace.events(trigger.id)).toHaveLength(2);
    stage.addFile('three');
    expect(fileNames(await stage.payloads(trigger, 3))).toEqual(['one', 'three', 'two']);
  });

  it('stale (410, 404, reset) -> resync policy chosen by the user, no silent loss', async () => {
    const whole = stage.addCalendar('whole');
    stage.addFile('old', { driveId: ALL });
    stage.addEvent('old', whole);
    const triggers = {
      driveNow: await stage.trigger('drive-changes', { driveId: NOW }),
      driveAll: await stage.trigger('drive-changes', { driveId: ALL }, { resync: 'replay_all' }),
      calendarNow: await stage.trigger('calendar-events', { calendarId: ADA }),
      calendarAll: await stage.trigger('calendar-events', { calendarId: whole }, { resync: 'replay_all' }),
    };
    const happen = (name: string): void => {
      for (const driveId of [NOW, ALL]) stage.addFile(name, { driveId });
      for (const calendarId of [ADA, whole]) stage.addEvent(name, calendarId);
    };
    /** Nobody is told of it, and when we look the service has forgotten where we were. */
    const forget = async (status: 404 | 410, name: string, times: number): Promise<void> => {
      stage.fake.settings({ staleChangesStatus: status });
      stage.fake.faults.set({ kind: 'ping-drop', times: 0 });
      happen(name);
      await stage.fake.idle();
      for (const kind of ['changes', 'events']) await stage.control('stale', { kind });
      stage.fake.faults.clear();
      for (const { subscription } of Object.values(triggers)) await pullDue(subscription!.feedId);
      for (const trigger of Object.values(triggers)) {
        await eventually('the history to tell', async () => codes((await stage.read(trigger)).subscription!).filter((code) => code === 'cursor_stale').length === times);
      }
      await stage.settled();
    };
    happen('seen');
    for (const trigger of Object.values(triggers)) await stage.payloads(trigger, 1);
    await forget(410, 'lost first', 1);
    await forget(404, 'lost then', 2);
    // Whatever was decided, it goes on from there.
    happen('after');

    // Nothing twice of what ran before, and everything that is there.
    const everything = ['after', 'lost first', 'lost then', 'old', 'seen'];
    expect(fileNames(await stage.payloads(triggers.driveAll, 5))).toEqual(everything);
    expect(summaries(await stage.payloads(triggers.calendarAll, 5))).toEqual(everything);
    // What may be missing is not there, and is said.
    expect(fileNames(await stage.payloads(triggers.driveNow, 2))).toEqual(['after', 'seen']);
    expect(summaries(await stage.payloads(triggers.calendarNow, 2))).toEqual(['after', 'seen']);
    for (const trigger of [triggers.driveNow, triggers.calendarNow]) {
      expect(staleLine((await stage.read(trigger)).subscription!)).toMatch(/resync: from_now\): what happened from \S+Z to \S+Z may have been missed\.$/);
    }
    for (const trigger of [triggers.driveAll, triggers.calendarAll]) {
      expect(staleLine((await stage.read(trigger)).subscription!)).toMatch(/resync: replay_all\); what was deleted since \S+Z leaves no event\.$/);
    }
  });

  it('lost ping recovered by timer', async () => {
    const trigger = await stage.trigger('calendar-events', { calendarId: ADA });
    await stage.settled();
    const timer = (await stage.read(trigger)).pull!;
    const seconds = (new Date(timer.nextPullAt!).getTime() - new Date(timer.lastPullAt!).getTime()) / 1000;
    expect(seconds).toBeGreaterThan(0.89 * 900);
    expect(seconds).toBeLessThan(1.11 * 900);
    stage.fake.faults.set({ kind: 'ping-drop', times: 0 });
    stage.addEvent('told to nobody');
    await stage.fake.idle();
    expect(stage.fake.state.messages.at(-1)).toMatchObject({ outcome: 'suppressed', attempts: [] });
    await pullDue(trigger.subscription!.feedId);
    expect(summaries(await stage.payloads(trigger, 1))).toEqual(['told to nobody']);
    expect((await stage.read(trigger)).subscription!.status).toBe('active');
  });
});

describe('Cursor, with a process that is killed', () => {
  const ROUNDS = 4;
  const CHANGES = 10;
  let own: OwnInstance;
  let killed: GoogleStage;
  let database: pg.Pool;
  /** A shared drive and a calendar for each round: what was cut off is taken over only when the time of its lease is over. */
  const rounds: { drive: TriggerView; calendar: TriggerView }[] = [];

  beforeAll(async () => {
    own = await startOwnInstance();
    database = new pg.Pool({ connectionString: own.urls.database, max: 1 });
    killed = await GoogleStage.open('killed', {}, own);
    for (let round = 0; round < ROUNDS; round += 1) {
      const driveId = `drive${round}`;
      killed.fake.act('drives', { id: driveId, name: driveId, members: [ADA] });
      rounds.push({ drive: await killed.trigger('drive-changes', { driveId }), calendar: await killed.trigger('calendar-events', { calendarId: killed.addCalendar(driveId) }) });
    }
    await killed.settled();
  }, 120_000);
  afterAll(async () => {
    await killed?.close();
    await database?.end();
    await own?.stop();
  }, 60_000);

  const happen = ({ drive, calendar }: (typeof rounds)[number], name: string): void => {
    killed.addFile(name, { driveId: drive.config['driveId'] });
    killed.addEvent(name, calendar.config['calendarId'] as string);
  };
  const read = () => killed.asked('drive.changes.list') + killed.asked('calendar.events.list');
  const placesOf = async (feeds: string[]): Promise<string> =>
    (await database.query<{ places: string }>(`SELECT string_agg(cursor, ' ' ORDER BY feed_id) AS places FROM feed_pull WHERE feed_id = ANY($1)`, [feeds])).rows[0]!.places;
  const names = Array.from({ length: CHANGES }, (_, n) => `change ${n}`);

  it('cursor saved in the same transaction as its events', async () => {
    for (const [index, round] of rounds.entries()) {
      const feeds = [round.drive, round.calendar].map(({ subscription }) => subscription!.feedId);
      const [before, there] = [read(), await placesOf(feeds)];
      for (const name of names) happen(round, name);
      for (const feed of feeds) await pullDue(feed, own);
      // In turn: when a page was read and is about to be written, and when its place is written, as its events must be by then.
      const written = async () => (await placesOf(feeds)) !== there;
      await eventually('a pull', index % 2 === 0 ? async () => read() > before : written, { everyMs: 1, timeoutMs: 40_000 });
      killApp(own.dir, 'trigger-service');
      await waitReady(own.dir);
    }
    for (const { drive, calendar } of rounds) {
      for (const trigger of [drive, calendar]) await killed.workspace.endedRuns(trigger.id, CHANGES, { timeoutMs: 120_000 });
    }
    // Whatever was read twice: nothing ran twice, and nothing is left out.
    for (const round of rounds) {
      happen(round, 'last');
      expect(fileNames(await killed.payloads(round.drive, CHANGES + 1))).toEqual([...names, 'last']);
      expect(summaries(await killed.payloads(round.calendar, CHANGES + 1))).toEqual([...names, 'last']);
      for (const trigger of [round.drive, round.calendar]) expect(codes((await killed.read(trigger)).subscription!)).not.toContain('cursor_stale');
    }
  }, 240_000);
});
