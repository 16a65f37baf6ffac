import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { eventView, type RunView } from '@vane/contracts';
import { createLogger } from '@vane/runtime';
import { ActivityController } from '../controllers/activity.controller.js';
import { InboxRelay } from '../intake/inbox.js';
import { Replays } from '../replays.js';
import { call, PullStage } from './fixtures/pull-stage.js';

const logger = createLogger({ app: 'spec', level: 'silent' });
let stage: PullStage;
let activity: ActivityController;
let trigger: string;

beforeAll(async () => {
  stage = await PullStage.open();
});
afterAll(() => stage.close());
beforeEach(async () => {
  await stage.reset();
  const { database, intake, clock } = stage;
  activity = new ActivityController(database, new InboxRelay(database, intake, logger), new Replays(database, intake, clock), clock);
  trigger = await stage.trigger('from_now');
  await stage.query(
    `INSERT INTO runnable (id, workspace_id, name, kind, spec, retry, version, created_at, updated_at) VALUES ($1, $2, 'n', 'script', '{}', '{}', 1, $3, $3)`,
    [`fn_${trigger}`, stage.ids.workspace, clock.now()],
  );
  await stage.query('UPDATE trigger SET runnable_id = $2 WHERE id = $1', [trigger, `fn_${trigger}`]);
  stage.service.change('a', clock.now());
  await stage.intake.take([stage.message()]);
  await stage.tick();
});

it('an event that was fetched is shown without a delivery, and its run can be run again', async () => {
  const { workspace } = stage.ids;
  const listed = await activity.listEvents({ workspace, trigger, limit: 10 } as never);
  expect(listed.items.map((item) => eventView.parse(item))).toEqual([expect.objectContaining({ deliveryId: null, dedupeKey: 'a@1', service: 'acme', type: 'changed' })]);
  const event = await activity.getEvent({ workspace, event: listed.items[0]!.id });
  expect(event).toMatchObject({ deliveryId: null, payload: { object: 'a', version: 1 } });
  const [first] = event.runs as RunView[];
  const again = await activity.replay({ workspace, run: first!.id }, { ...call, correlationId: 'asked-again' });
  expect(again).toMatchObject({ triggerId: trigger, eventId: event.id, status: 'queued' });
  const runs = await stage.query('SELECT replay, status, correlation_id FROM run WHERE trigger_id = $1 ORDER BY replay', [trigger]);
  expect(runs).toEqual([{ replay: 0, status: 'queued', correlation_id: call.correlationId }, { replay: 1, status: 'queued', correlation_id: 'asked-again' }]);
});

it('an event that was fetched passes the filter of its trigger, or is kept with the reason', async () => {
  await stage.query(`UPDATE trigger SET filter = 'payload.object == "b" && event.service == "acme"', mapping = '{"version": payload.version}' WHERE id = $1`, [trigger]);
  for (const object of ['b', 'c']) stage.service.change(object, stage.clock.now());
  await stage.intake.take([stage.message()]);
  await stage.tick();
  const runs = await stage.query('SELECT e.dedupe_key, r.status, r.reason, r.input FROM run r JOIN event e ON e.id = r.event_id WHERE r.trigger_id = $1 ORDER BY e.dedupe_key', [trigger]);
  expect(runs.slice(1)).toEqual([
    { dedupe_key: 'b@1', status: 'queued', reason: null, input: { version: 1 } }, { dedupe_key: 'c@1', status: 'skipped', reason: 'filtered', input: null },
  ]);
});
