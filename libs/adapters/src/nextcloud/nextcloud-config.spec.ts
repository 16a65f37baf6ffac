import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '@vane/kit';
import { adapter } from './index.js';

const type = adapter.triggerTypes['event']!;
const written = 'OCP\\Files\\Events\\Node\\NodeWrittenEvent';
const receivedAt = '2026-01-05T10:00:00.000Z';

describe('Bodies from Nextcloud', () => {
  const normalise = (body: string) => type.webhook.normalise!({ headers: {}, body: Buffer.from(body), receivedAt }, {});

  it.each(['[]', '{}', '{"event":{}}', '{"event":{"class":7}}', 'null', 'not json'])('are unprocessable as %s', (body) => {
    expect(() => normalise(body)).toThrow(/^The body is not/);
  });

  it('without a usable time have none', () => {
    const at = (time: unknown) => normalise(JSON.stringify({ event: { class: written }, time }))[0]?.occurredAt;
    expect([at(1795436386), at('soon'), at(1e15), at(undefined)]).toEqual(['2026-11-23T12:19:46.000Z', null, null, null]);
  });
});

describe('An event trigger', () => {
  const plan = (config: JsonObject) => type.plan(type.config.parse(config));

  it('names its class without a leading backslash', () => {
    expect(plan({ event: ` \\${written}` })).toEqual({ resource: written, want: { event: written, filter: null, userId: null, tokens: null } });
  });

  it('shares a webhook only with triggers that want exactly the same', () => {
    const filter = { b: 1, a: { $in: [1, 2] } };
    const { resource, want } = plan({ event: written, filter, userId: 'alice' });
    expect(plan({ event: written, userId: 'alice', filter: { a: { $in: [1, 2] }, b: 1 } })).toEqual({ resource, want });
    const others: JsonObject[] = [{}, { filter }, { userId: 'alice' }, { tokensFor: ['owner'] }, { tokensFor: ['trigger'] }];
    const resources = others.map((more) => plan({ event: written, ...more }).resource);
    expect(new Set([resource, ...resources]).size).toBe(6);
  });

  it.each(['NodeWrittenEvent', 'OCP\\', 'OCP/Files/Event', 'OCP\\Files\\', 'OCP\\1Files', 'OCP\\Files Event', ''])('refuses %j as a class', (event) => {
    expect(type.config.safeParse({ event }).error?.issues[0]?.message).toContain('full name of a PHP class');
  });

  it('refuses a filter that is no object, or too long', () => {
    const refused = (filter: unknown) => !type.config.safeParse({ event: written, filter }).success;
    expect([refused('x'), refused([]), refused({ a: 'x'.repeat(2_000) }), refused({ a: 'x' })]).toEqual([true, true, true, false]);
  });
});
