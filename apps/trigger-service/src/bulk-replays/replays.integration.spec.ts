import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { estimateReplay, type InputOf } from '@vane/contracts';
import { newId, type Database } from '@vane/db';
import { Replays } from '../replays.js';
import { call, ReplayStage } from './fixtures/replay-stage.js';

let stage: ReplayStage;
beforeAll(async () => {
  stage = await ReplayStage.open();
});
afterAll(() => stage.close());
beforeEach(() => stage.workspace());

const estimate = (input: Partial<InputOf<typeof estimateReplay>> = {}) => stage.jobs.estimate(estimateReplay.input.parse({ workspace: stage.ids.workspace, ...input }));
const query = (sql: string, ...values: unknown[]) => stage.database.pool.query(sql, values);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('a selection', () => {
  it('is of events and triggers by the newest run of the two, and says how old it is and what has succeeded', async () => {
    const [one, two] = [await stage.trigger(), await stage.trigger()];
    const begun = stage.clock.now();
    await stage.events(3);
    await stage.events(2, 'succeeded', 'b');
    const { workspace } = stage.ids;
    expect(await estimate()).toEqual({
      count: 6, oldestAt: begun.toISOString(), newestAt: new Date(begun.getTime() + 2_000).toISOString(), alreadySucceeded: 0, withoutRunnable: 0,
    });
    expect(await estimate({ status: ['succeeded'] })).toMatchObject({ count: 4, alreadySucceeded: 4 });
    expect(await estimate({ trigger: one })).toMatchObject({ count: 3 });
    expect(await estimate({ runnable: stage.ids.runnable, status: ['dead', 'succeeded'] })).toMatchObject({ count: 10, alreadySucceeded: 4 });
    expect(await estimate({ eventType: 'b', status: ['dead', 'succeeded'] })).toMatchObject({ count: 4 });
    expect(await estimate({ from: new Date(begun.getTime() + 1_000).toISOString(), to: new Date(begun.getTime() + 2_000).toISOString() })).toMatchObject({ count: 2 });
    await query(`UPDATE run SET reason = 'http_410' WHERE workspace_id = $1 AND trigger_id = $2 AND status = 'dead'`, workspace, one);
    expect(await estimate({ reason: 'http_410' })).toMatchObject({ count: 3 });

    const { rows } = await query(`SELECT id FROM run WHERE trigger_id = $1 AND status = 'dead' ORDER BY id LIMIT 1`, two);
    const again = await new Replays(stage.database, stage.intake(), stage.clock).replay(workspace, rows[0].id, call);
    await query(`UPDATE run SET status = 'succeeded' WHERE id = $1`, again.id);
    stage.clock.move(1_000);
    expect(await estimate({ trigger: two })).toMatchObject({ count: 2 });
    await query('UPDATE trigger SET runnable_id = NULL WHERE id = $1', two);
    expect(await estimate({ trigger: two })).toMatchObject({ count: 2, withoutRunnable: 2 });
  });

  it('names nothing of another workspace, and nothing in it is found or changed from another', async () => {
    const trigger = await stage.trigger();
    await stage.events(2);
    const { id } = await stage.create({ rate: 1 });
    const other = newId('workspace', stage.clock.now());
    const { runnable } = stage.ids;
    await expect(estimate({ workspace: other, trigger })).rejects.toMatchObject({ code: 'not_found' });
    await expect(estimate({ workspace: other, runnable })).rejects.toMatchObject({ code: 'not_found' });
    await expect(stage.create({ workspace: other, trigger })).rejects.toMatchObject({ code: 'not_found' });
    expect(await estimate({ workspace: other })).toMatchObject({ count: 0 });
    const { jobs } = stage;
    for (const ask of [jobs.get, jobs.pause, jobs.resume, jobs.cancel]) await expect(ask.call(jobs, other, id)).rejects.toMatchObject({ code: 'not_found' });
    expect(await jobs.list({ workspace: other, limit: 10 })).toEqual({ items: [], next: null });
    expect(await jobs.list({ workspace: stage.ids.workspace, limit: 10, status: 'running' })).toMatchObject({ items: [{ id, status: 'running' }] });
    await expect(estimate({ from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' })).rejects.toMatchObject({ code: 'bad_request' });
  });
});

describe('a replay', () => {
  it('keeps its rate, makes up for a few seconds and no more, and says how far it is', async () => {
    await stage.trigger();
    await stage.events(40);
    const { id, progress } = await stage.create({ rate: 4 });
    expect(progress).toEqual({ total: 40, started: 0, skipped: 0, failed: 0 });
    expect(await stage.turn(id, 0)).toBe(0);
    expect(await stage.turn(id, 1_000)).toBe(4);
    expect(await stage.turn(id, 0)).toBe(0);
    expect(await stage.turn(id, 1_250)).toBe(5);
    expect(await stage.turn(id, 60_000)).toBe(20);
    expect(await stage.get(id)).toMatchObject({ status: 'running', progress: { started: 29 }, runs: { queued: 29 } });
    expect(await stage.turn(id, 60_000)).toBe(11);
    expect(await stage.get(id)).toMatchObject({ status: 'done', progress: { total: 40, started: 40, skipped: 0, failed: 0 }, endedAt: stage.clock.now().toISOString(), notStarted: [] });
    expect(await stage.batches().due(1_000)).not.toContain(id);
    expect(await stage.numbers(await stage.again())).toEqual(upTo(40));
    expect(new Set(stage.queued)).toEqual(new Set((await stage.again()).map((run) => run.id)));
  });

  it('goes the other way when asked, and selects nothing that came after it', async () => {
    await stage.trigger();
    await stage.events(6);
    const { id } = await stage.create({ rate: 100, order: 'newest_first' });
    await stage.events(1);
    await stage.turn(id, 1_000);
    expect(await stage.get(id)).toMatchObject({ status: 'done', progress: { total: 6, started: 6 } });
    expect(await stage.numbers(await stage.again())).toEqual(upTo(6).reverse());
    const { id: empty, status } = await stage.create({ reason: 'nothing_like_it' });
    expect([status, (await stage.get(empty)).endedAt]).toEqual(['done', stage.clock.now().toISOString()]);
  });

  it('comes to each event once, wherever it is cut off', async () => {
    await stage.trigger();
    await stage.events(60);
    const { id } = await stage.create({ rate: 1 });
    let steps = 0;
    let cutAt = 0;
    const step = () => {
      if ((steps += 1) === cutAt) throw new Error('cut off');
    };
    const cut = { ...stage.database, pool: { query: (sql: string, values: unknown[]) => (step(), stage.database.pool.query(sql, values)) },
      transaction: async <T>(work: (tx: never) => Promise<T>) => {
        const made = await stage.database.transaction((tx) => work({ query: (sql: string, values: unknown[]) => (step(), tx.query(sql, values)) } as never));
        step();
        return made;
      } } as unknown as Database;
    const cutOff: number[] = [];
    for (cutAt = 1; cutAt < 30; cutAt += 1) {
      stage.clock.move(61_000);
      steps = 0;
      const died = await stage.batches({ database: cut, enqueue: async () => step() }).do(id).then(() => false, () => true);
      if (died) cutOff.push(cutAt);
      else break;
    }
    // The claim, five statements of the batch, the commit, the queue, and what leaves the job.
    expect(cutOff).toEqual(upTo(9).map((n) => n + 1));
    for (let turn = 0; (await stage.get(id)).status === 'running' && turn < 20; turn += 1) await stage.turn(id, 61_000);
    expect(await stage.get(id)).toMatchObject({ status: 'done', progress: { total: 60, started: 60 }, runs: { queued: 60 } });
    expect(await stage.numbers(await stage.again())).toEqual(upTo(60));
    expect((await stage.again()).map(({ replay }) => replay)).toEqual(upTo(60).map(() => 1));
  });

  it('is worked on by one process at a time, and taken over from one that died', async () => {
    await stage.trigger();
    await stage.events(10);
    const { id } = await stage.create({ rate: 5 });
    stage.clock.move(1_000);
    let other: boolean | undefined;
    const first = stage.batches({ enqueue: async () => {
      other = await stage.batches().do(id);
    } });
    expect([await first.do(id), other]).toEqual([true, false]);
    expect(await stage.again()).toHaveLength(5);
    // One that was held up for longer than its lease adds nothing to what the next one does.
    stage.clock.move(1_000);
    const held = stage.batches({ enqueue: async () => {
      stage.clock.move(61_000);
      await stage.batches().do(id);
    } });
    await held.do(id);
    expect(await stage.get(id)).toMatchObject({ status: 'done', progress: { started: 10 } });
    expect(await stage.again()).toHaveLength(10);
  });

  it('is paused, resumed and cancelled between two batches, and not after its end', async () => {
    await stage.trigger();
    await stage.events(20);
    const { workspace } = stage.ids;
    const { id, status } = await stage.create({ rate: 5, paused: true });
    expect([status, await stage.turn(id, 10_000)]).toEqual(['paused', 0]);
    expect(await stage.jobs.resume(workspace, id)).toMatchObject({ status: 'running' });
    expect(await stage.turn(id, 1_000)).toBe(5);
    expect(await stage.jobs.pause(workspace, id)).toMatchObject({ status: 'paused' });
    expect(await stage.jobs.pause(workspace, id)).toMatchObject({ status: 'paused' });
    expect(await stage.turn(id, 60_000)).toBe(0);
    await stage.jobs.resume(workspace, id);
    expect(await stage.turn(id, 0)).toBe(0);
    expect(await stage.turn(id, 1_000)).toBe(5);
    // Within a turn: the batch that is committed stands, and no other follows.
    stage.clock.move(1_000);
    const cancelling = stage.batches({ enqueue: async () => {
      await stage.jobs.cancel(workspace, id);
      stage.clock.move(1_000);
    } });
    expect(await cancelling.do(id)).toBe(false);
    expect(await stage.get(id)).toMatchObject({ status: 'cancelled', progress: { total: 20, started: 15 }, endedAt: expect.any(String) });
    expect(await stage.turn(id, 60_000)).toBe(0);
    await expect(stage.jobs.resume(workspace, id)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('asks filter and mapping as they are now, and says of each event why it was not started', async () => {
    const trigger = await stage.trigger();
    await stage.events(4);
    await query(`UPDATE trigger SET filter = 'payload.n == 3 ? payload.nothing : payload.n > 0', mapping = '{"is": payload.n}' WHERE id = $1`, trigger);
    const filtering = await stage.create({ rate: 100 });
    await stage.turn(filtering.id, 1_000);
    const { progress, notStarted } = await stage.get(filtering.id);
    expect(progress).toEqual({ total: 4, started: 2, skipped: 1, failed: 1 });
    expect(notStarted.map(({ code }) => code).sort()).toEqual(['filter_failed', 'filtered']);
    expect((await stage.again()).map(({ input }) => input)).toEqual([{ is: 1 }, { is: 2 }]);

    stage.clock.move(1);
    const all = await stage.create({ rate: 100, applyFilter: false, status: ['dead'] });
    await stage.turn(all.id, 1_000);
    // The runs of before are queued, so their events are not selected.
    expect(await stage.get(all.id)).toMatchObject({ status: 'done', progress: { total: 2, started: 2 } });

    await query('UPDATE trigger SET runnable_id = NULL WHERE id = $1', trigger);
    await query(`UPDATE run SET status = 'dead' WHERE workspace_id = $1`, stage.ids.workspace);
    const lost = await stage.create({ rate: 100 });
    await query('DELETE FROM trigger WHERE id = $1', trigger);
    await stage.turn(lost.id, 1_000);
    expect(await stage.get(lost.id)).toMatchObject({ progress: { started: 0, failed: 4 }, notStarted: upTo(4).map(() => ({ code: 'trigger_deleted' })) });
  });

  it('reads events anew from their deliveries when asked, where those are kept', async () => {
    await stage.trigger();
    await stage.events(3);
    const { workspace } = stage.ids;
    const events = (await query('SELECT id, delivery_id FROM event WHERE workspace_id = $1 ORDER BY id', workspace)).rows as { id: string; delivery_id: string }[];
    await query(`UPDATE event SET payload = '{"read": "wrongly"}', type = 'wrong' WHERE workspace_id = $1`, workspace);
    await query('UPDATE delivery SET body = NULL WHERE id = $1', events[2]!.delivery_id);
    const { id } = await stage.create({ rate: 100, renormalise: true });
    await stage.turn(id, 1_000);
    expect(await stage.get(id)).toMatchObject({
      progress: { started: 2, failed: 1 }, notStarted: [{ eventId: events[2]!.id, code: 'not_renormalised', message: expect.stringContaining('not kept') }],
    });
    expect((await query('SELECT id, type, payload FROM event WHERE workspace_id = $1 ORDER BY id', workspace)).rows).toEqual([
      { id: events[0]!.id, type: 'a', payload: { type: 'a', n: 0 } }, { id: events[1]!.id, type: 'a', payload: { type: 'a', n: 1 } },
      { id: events[2]!.id, type: 'wrong', payload: { read: 'wrongly' } },
    ]);
  });

  it('is forgotten 90 days after it was made, with its items, unless it is still to be done', async () => {
    await stage.trigger();
    await stage.events(2);
    const [ended, open] = [await stage.create({ rate: 100 }), await stage.create({ paused: true })];
    await stage.turn(ended.id, 1_000);
    stage.clock.move(91 * 86_400_000);
    await stage.jobs.forget();
    await expect(stage.get(ended.id)).rejects.toMatchObject({ code: 'not_found' });
    expect((await query('SELECT 1 FROM replay_item WHERE job_id = $1', ended.id)).rows).toEqual([]);
    expect(await stage.get(open.id)).toMatchObject({ status: 'paused' });
    stage.clock.move(-91 * 86_400_000);
  });
});
