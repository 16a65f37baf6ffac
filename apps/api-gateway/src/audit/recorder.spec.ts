import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { deleteSecret, type Operation } from '@vane/contracts';
import type { Bus, Logger } from '@vane/runtime';
import type { RestOperation } from '../http/input.js';
import type { AuditTrail, Intent } from './audit-trail.js';
import { Recorder } from './recorder.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('all pages of a list that is read for the record come within one deadline', async () => {
  const deadlines: number[] = [];
  const bus = {
    ask: async ({ deadlineMs }: Operation) => {
      deadlines.push(deadlineMs);
      jest.advanceTimersByTime(1_500);
      return { items: [], next: 'more' };
    },
  };
  const begun: Intent[] = [];
  const trail = { begin: async (intent: Intent) => begun.push(intent), complete: async () => undefined };
  const recorder = new Recorder(trail as unknown as AuditTrail, bus as unknown as Bus, { warn: () => undefined } as unknown as Logger);
  const call = { correlationId: 'c', actor: { kind: 'user', id: 'usr_1', role: 'admin', userId: 'usr_1', label: 'ann' } } as const;
  const mutation = { operation: deleteSecret as unknown as RestOperation, input: { workspace: 'wsp_1', name: 'MINE' }, call, address: '127.0.0.1', maxWaitMs: 60_000 };
  let readBefore = 0;
  await expect(recorder.record(mutation, async () => {
    readBefore = deadlines.length;
    return { ok: true };
  })).resolves.toEqual({ ok: true });
  expect(deadlines.slice(0, readBefore)).toEqual([5_000, 3_500, 2_000, 500]);
  expect(begun).toMatchObject([{ before: null }]);
});
