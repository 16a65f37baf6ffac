import assert from 'node:assert/strict';
import { normalisedEvent } from '../event-schema.js';
import { StaleCursor, type NormalisedEvent, type PulledPage, type PullSpec } from '../pull.js';
import { ServiceError } from '../service-http.js';
import type { Case, Prepared, PullRig } from './subject.js';

type Bench = { rig: PullRig; pull: Puller };
type Puller = { [Name in keyof PullSpec]: (cursor: string | null) => ReturnType<PullSpec[Name]> };

/** How events are fetched from a stand-in of the service. */
export function pullCases(prepared: Prepared): Case[] {
  const { pull } = prepared.type;
  const start = prepared.subject.pull;
  const name = 'fetching events';
  if (!pull) return [{ name, omitted: 'what the service sends carries them', run: () => undefined }];
  if (!start) return [{ name, run: () => assert.fail('Give `pull`: a stand-in of the service in which something changes.') }];
  const target = { resource: prepared.resource, want: prepared.want };
  const tried = (sentence: string, run: (bench: Bench) => Promise<void>): Case => ({
    name: sentence,
    run: async () => {
      const rig = await start();
      const puller: Puller = {
        begin: () => pull.begin(rig.http, target),
        page: (cursor) => pull.page(rig.http, target, cursor ?? ''),
        replay: (cursor) => pull.replay(rig.http, target, cursor),
      };
      try {
        await run({ rig, pull: puller });
      } finally {
        await rig.close();
      }
    },
  });
  return [...advanceCases(prepared, tried), ...replayCases(tried), ...cursorCases(tried)];
}

type Tried = (sentence: string, run: (bench: Bench) => Promise<void>) => Case;

/** Reads page after page to the end. */
async function toTheEnd(read: (cursor: string | null) => Promise<PulledPage>, from: string | null): Promise<{ events: NormalisedEvent[]; cursor: string }> {
  const events: NormalisedEvent[] = [];
  for (let cursor = from; ; ) {
    const page = await read(cursor);
    events.push(...page.events);
    if (!page.more) return { events, cursor: page.cursor };
    assert.notEqual(page.cursor, cursor, 'A page that is followed by another must move the cursor.');
    cursor = page.cursor;
  }
}

const keysOf = (events: NormalisedEvent[]): (string | null)[] => events.map(({ dedupeKey }) => dedupeKey);

function advanceCases({ type, parsed }: Prepared, tried: Tried): Case[] {
  return [
    tried('nothing is behind the cursor of the beginning', async ({ rig, pull }) => {
      await rig.change();
      assert.deepEqual((await toTheEnd(pull.page, await pull.begin(null))).events, []);
    }),
    tried('a change is fetched once, as an event with an identity', async ({ rig, pull }) => {
      const begun = await pull.begin(null);
      await rig.change();
      const { events, cursor } = await toTheEnd(pull.page, begun);
      assert.ok(events.length > 0, 'What changed after the beginning must be behind its cursor.');
      for (const event of events) {
        const checked = normalisedEvent.safeParse(event);
        assert.ok(checked.success, `An invalid event was fetched: ${checked.error?.message}`);
        assert.notEqual(event.dedupeKey, null, 'What is fetched may be fetched again: give it an identity.');
      }
      if (type.matches) assert.ok(events.some((event) => type.matches?.(parsed, event)), 'The change must be for the config given.');
      assert.deepEqual((await toTheEnd(pull.page, cursor)).events, []);
    }),
    tried('the same page fetched twice has the same identities', async ({ rig, pull }) => {
      const begun = await pull.begin(null);
      await rig.change();
      const keys = keysOf((await toTheEnd(pull.page, begun)).events);
      assert.deepEqual(keysOf((await toTheEnd(pull.page, begun)).events), keys);
      assert.equal(new Set(keys).size, keys.length, 'Two events share an identity.');
    }),
    tried('another state of the same object has another identity', async ({ rig, pull }) => {
      const begun = await pull.begin(null);
      await rig.change();
      const first = await toTheEnd(pull.page, begun);
      await rig.change();
      const second = keysOf((await toTheEnd(pull.page, first.cursor)).events);
      assert.ok(second.length > 0, 'What changed after the first pull must be behind its cursor.');
      assert.deepEqual(second.filter((key) => keysOf(first.events).includes(key)), []);
    }),
  ];
}

function replayCases(tried: Tried): Case[] {
  return [
    tried('a replay has what is there, with the identities of the page', async ({ rig, pull }) => {
      const begun = await pull.begin(null);
      await rig.change();
      const replayed = keysOf((await toTheEnd(pull.replay, null)).events);
      for (const key of keysOf((await toTheEnd(pull.page, begun)).events)) assert.ok(replayed.includes(key), `The replay lacks ${key}.`);
      assert.equal(new Set(replayed).size, replayed.length, 'Two events share an identity.');
    }),
    tried('a pull goes on where a replay ended', async ({ rig, pull }) => {
      const { cursor } = await toTheEnd(pull.replay, null);
      assert.deepEqual((await toTheEnd(pull.page, cursor)).events, []);
      await rig.change();
      assert.ok((await toTheEnd(pull.page, cursor)).events.length > 0);
    }),
  ];
}

function cursorCases(tried: Tried): Case[] {
  const isStale = (error: unknown): boolean => error instanceof StaleCursor && error.message !== '';
  return [
    tried('a cursor that is not known any more is a StaleCursor, and a new beginning helps', async ({ rig, pull }) => {
      await assert.rejects(pull.page('not-a-cursor'), isStale);
      const begun = await pull.begin(null);
      await rig.makeStale?.();
      if (rig.makeStale) await assert.rejects(pull.page(begun), isStale);
      assert.deepEqual((await toTheEnd(pull.page, await pull.begin(null))).events, []);
    }),
    tried('a service in trouble leaves the cursor good', async ({ rig, pull }) => {
      const begun = await pull.begin(null);
      await rig.change();
      for (const [status, transient] of [[500, true], [503, true], [429, true], [403, undefined]] as const) {
        await rig.failNext(status);
        await assert.rejects(pull.page(begun), (error) => error instanceof ServiceError && (transient === undefined || error.transient === transient));
      }
      assert.ok((await toTheEnd(pull.page, begun)).events.length > 0);
    }),
  ];
}
