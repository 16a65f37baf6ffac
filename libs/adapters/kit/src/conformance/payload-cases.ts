import assert from 'node:assert/strict';
import type { NormalisedEvent } from '../pull.js';
import { normalisedEvent } from '../event-schema.js';
import { jsonTextOf, valueTextAt } from '../json-text.js';
import { dedupeKeyOf } from '../webhook.js';
import type { Case, Fixture, Prepared } from './subject.js';

/** What becomes of the fixtures. */
export function payloadCases(prepared: Prepared): Case[] {
  return [...eventCases(prepared), pingCase(prepared), ...redactionCases(prepared)];
}

function eventCases(prepared: Prepared): Case[] {
  if (prepared.type.webhook.normalise) return [fixturesCase(prepared), identityCase(prepared), garbageCase(prepared)];
  return [{ name: 'fixtures become events', omitted: 'a message only says that there is something to fetch', run: () => undefined }];
}

const isPing = ({ ping }: Fixture): boolean => ping === true;

function eventsOf(prepared: Prepared, fixture: Fixture, at = prepared.now): NormalisedEvent[] {
  const request = prepared.request(fixture, prepared.secret(1), at);
  return prepared.type.webhook.normalise!(prepared.stored(request), prepared.want);
}

function fixturesCase(prepared: Prepared): Case {
  return {
    name: 'fixtures become events',
    run: () => {
      const { fixtures } = prepared.subject;
      assert.ok(fixtures.some((fixture) => !isPing(fixture)), 'Put at least one recorded delivery into fixtures/ and give it to the suite.');
      for (const fixture of fixtures.filter((each) => !isPing(each))) {
        const events = eventsOf(prepared, fixture);
        for (const event of events) {
          const checked = normalisedEvent.safeParse(event);
          assert.ok(checked.success, `Fixture '${fixture.name}' becomes an invalid event: ${checked.error?.message}`);
        }
        const { events: expected } = fixture;
        if (!expected) continue;
        assert.equal(events.length, expected.length, `Fixture '${fixture.name}' becomes another number of events.`);
        expected.forEach((each, index) => assert.deepEqual({ ...events[index], ...each }, events[index], `Fixture '${fixture.name}'`));
      }
    },
  };
}

function identityCase(prepared: Prepared): Case {
  const name = 'the same delivery sent again has the same dedupe key';
  const fixtures = prepared.subject.fixtures.filter((fixture) => !isPing(fixture));
  if (fixtures.length > 0 && fixtures.every((fixture) => keysOf(prepared, fixture)?.every((key) => key === null))) {
    return { name, omitted: 'the service gives its events no identity', run: () => undefined };
  }
  const later = new Date(prepared.now.getTime() + 60_000);
  return {
    name,
    run: () => {
      assert.ok(fixtures.length > 0, 'Give at least one fixture to try it on.');
      for (const fixture of fixtures) {
        const keys = (at: Date): string[] => eventsOf(prepared, fixture, at).map((event, index) => dedupeKeyOf(event, 'dlv_first', index));
        assert.deepEqual(keys(prepared.now), keys(later), `Fixture '${fixture.name}'`);
        assert.equal(new Set(keys(later)).size, keys(later).length, `Fixture '${fixture.name}': events of one delivery share a key.`);
      }
    },
  };
}

function keysOf(prepared: Prepared, fixture: Fixture): (string | null)[] | undefined {
  try {
    return eventsOf(prepared, fixture).map(({ dedupeKey }) => dedupeKey);
  } catch {
    return undefined;
  }
}

/** Parsers quote what they cannot read; an error is logged, a body may hold secrets. */
function garbageCase(prepared: Prepared): Case {
  return {
    name: 'a body that cannot be read is unprocessable and not quoted in the error',
    run: () => {
      const { webhook } = prepared.type;
      const reading = (body: Uint8Array) => () =>
        webhook.normalise!({ headers: {}, body, receivedAt: prepared.now.toISOString() }, prepared.want);
      assert.throws(reading(Buffer.from([0xff, 0xfe, 0x00])), 'Bytes that are no text must make `normalise` throw.');
      for (const body of ['sesame42', '{"sesame42"', '{"a":"sesame42']) {
        try {
          reading(Buffer.from(body))();
        } catch (error) {
          assert.ok(!String((error as Error).message).includes('sesame'), 'The error quotes the body: write a sentence of your own.');
        }
      }
    },
  };
}

function pingCase(prepared: Prepared): Case {
  const name = 'pings are told from events';
  const { isPing: judge } = prepared.type.webhook;
  if (!judge) return { name, omitted: 'the service sends no pings', run: () => undefined };
  return {
    name,
    run: () => {
      const { fixtures } = prepared.subject;
      assert.ok(fixtures.some(isPing), 'Give a fixture with `ping: true`.');
      for (const fixture of fixtures) {
        assert.equal(judge(prepared.request(fixture, prepared.secret(1))), isPing(fixture), `Fixture '${fixture.name}'`);
      }
    },
  };
}

function redactionCases(prepared: Prepared): Case[] {
  const { redact = [] } = prepared.type.webhook;
  if (redact.length === 0) return [{ name: 'secrets are cut out of bodies', omitted: 'bodies carry none', run: () => undefined }];
  return redact.map(({ pointer }) => ({
    name: `${pointer} is cut out of bodies before they are stored`,
    run: () => {
      const requests = prepared.subject.fixtures.map((fixture) => prepared.request(fixture, prepared.secret(1)));
      const carrying = requests.filter(({ body }) => has(body, pointer));
      assert.ok(carrying.length > 0, `Give a fixture whose body has ${pointer}.`);
      for (const request of carrying) assert.equal(has(prepared.stored(request).body, pointer), false);
    },
  }));
}

function has(body: Uint8Array, pointer: string): boolean {
  const text = jsonTextOf(body);
  return text !== undefined && valueTextAt(text, pointer) !== undefined;
}
