import { beforeAll, expect, it } from '@jest/globals';
import { createReplay, estimateReplay, getReplay, getRun, listRuns, previewTrigger } from '@vane/contracts';
import { eventually } from '@vane/testing';
import { postSigned } from './posting.js';
import { Workspace } from './system.js';

let workspace: Workspace;
beforeAll(async () => {
  workspace = await Workspace.create('filters');
});

it('a filter keeps events out, a mapping is what the script gets, and a replay runs what was kept out', async () => {
  const { api, id } = workspace;
  const script = await workspace.script('export async function main(event, ctx) { return ctx.args; }');
  const hook = await workspace.genericTrigger(script, { scheme: 'standard-webhooks' }, { filter: 'payload.n > 1', mapping: '{"double": payload.n * 2}' });
  for (const n of [1, 2]) expect(await postSigned(hook.callbackUrl, hook.secret!, `msg_${n}`, { type: 'number', n })).toBe(200);
  const runs = await workspace.endedRuns(hook.id, 2);
  expect(runs.map(({ status, reason }) => `${status} ${reason}`).sort()).toEqual(['skipped filtered', 'succeeded null']);
  const details = await api.call(getRun, { workspace: id, run: runs.find(({ status }) => status === 'succeeded')!.id });
  expect([details.input, details.attemptList[0]!.result]).toEqual([{ double: 4 }, { double: 4 }]);
  const [kept] = (await api.call(listRuns, { workspace: id, trigger: hook.id, reason: 'filtered' })).items;
  expect(await api.call(previewTrigger, { workspace: id, eventId: kept!.eventId, filter: 'payload.n == 1' })).toEqual({ filter: { verdict: 'passed', error: null }, mapping: null });

  const selection = { workspace: id, trigger: hook.id, status: ['skipped' as const], reason: 'filtered' };
  expect(await api.call(estimateReplay, selection)).toMatchObject({ count: 1, alreadySucceeded: 0 });
  const replay = await api.call(createReplay, { ...selection, applyFilter: false, rate: 100 });
  const done = await eventually('the replay to be done', async () => {
    const view = await api.call(getReplay, { workspace: id, replay: replay.id });
    return view.status === 'done' && view.runs.succeeded === 1 ? view : undefined;
  }, { timeoutMs: 20_000 });
  expect(done).toMatchObject({ progress: { total: 1, started: 1, skipped: 0, failed: 0 }, notStarted: [] });
  expect(await api.call(estimateReplay, selection)).toMatchObject({ count: 0 });
});
