import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { defineTriggerType } from './adapter.js';
import type { VerificationScheme } from './scheme.js';
import { dedupeKeyOf, newSecretOf, schemeOf, storedHeaders } from './webhook.js';

const type = defineTriggerType({
  label: 'Probe',
  description: 'For these tests.',
  config: z.strictObject({ header: z.string() }),
  summary: ({ header }) => header,
  starterScript: 'export async function main() {}',
  scopes: [],
  sharing: 'trigger',
  plan: ({ header }) => ({ resource: '', want: { header } }),
  webhook: {
    verification: ({ header }): VerificationScheme => ({ kind: 'shared-secret', header }),
    methods: ['POST'],
    ackDeadlineMs: 1000,
    retries: false,
    keepHeaders: ({ header }) => ['X-Event', 'authorization', 'cookie', header],
    normalise: () => [],
  },
});

describe('stored headers', () => {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'probe/1',
    'x-event': ['a', 'b'],
    'x-token': 'secret',
    authorization: 'Bearer secret',
    cookie: 'secret',
    'x-other': 'other',
  };

  it('are those asked for and never a credential, even when asked for', () => {
    expect(storedHeaders(type, { header: 'X-Token' }, headers)).toEqual({
      'content-type': 'application/json',
      'user-agent': 'probe/1',
      'x-event': 'a, b',
    });
  });

  it('leave out the header that carries the secret, whichever the config names', () => {
    expect(JSON.stringify(storedHeaders(type, { header: 'x-event' }, headers))).not.toContain('x-event');
  });
});

it('the scheme of a want is what the config made of it', () => {
  expect(schemeOf(type, { header: 'x-a' })).toEqual({ kind: 'shared-secret', header: 'x-a' });
});

it('a secret is 32 random bytes unless the type says otherwise', () => {
  expect(newSecretOf(type, {}, (bytes) => new Uint8Array(bytes).fill(255))).toBe('_'.repeat(42) + '8');
  expect(newSecretOf({ ...type, newSecret: () => '' }, {}, () => new Uint8Array())).toBe('');
});

describe('dedupe keys', () => {
  it('are the own key of the event, or the id of the delivery', () => {
    expect(dedupeKeyOf({ dedupeKey: 'msg_1' }, 'dlv_1', 3)).toBe('msg_1');
    expect(dedupeKeyOf({ dedupeKey: null }, 'dlv_1')).toBe('dlv_1');
    expect(dedupeKeyOf({ dedupeKey: '' }, 'dlv_1')).toBe('dlv_1');
  });

  it('tell the events of one delivery apart', () => {
    expect([0, 1, 2].map((index) => dedupeKeyOf({ dedupeKey: null }, 'dlv_1', index))).toEqual(['dlv_1', 'dlv_1:1', 'dlv_1:2']);
  });

  it.each(['x'.repeat(201), 'a\u0000b', 'ü', 'line\nbreak'])('never carry to the database what could break it: %j', (own) => {
    expect(dedupeKeyOf({ dedupeKey: own }, 'dlv_1')).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('of different long names differ, of the same are the same', () => {
    const [a, b] = ['x'.repeat(300), `${'x'.repeat(299)}y`];
    expect(dedupeKeyOf({ dedupeKey: a }, 'd')).toBe(dedupeKeyOf({ dedupeKey: a }, 'other'));
    expect(dedupeKeyOf({ dedupeKey: a }, 'd')).not.toBe(dedupeKeyOf({ dedupeKey: b }, 'd'));
  });
});
