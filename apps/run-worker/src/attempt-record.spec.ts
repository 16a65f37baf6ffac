import { expect, test } from '@jest/globals';
import { recordOf } from './attempt-record.js';
import { failed } from './outcome.js';
import { judgeScript } from './script-target.js';
import { storableJson, storableText } from './storable.js';

const now = new Date('2026-05-01T12:00:00Z');

test('texts lose what Postgres refuses and nothing else', () => {
  expect(storableText('a\0b\ud800c 😀\n')).toBe('ab\ufffdc 😀\n');
});

test('JSON loses what jsonb refuses, in keys too, and nothing else', () => {
  expect(storableJson({ 'k\0': ['a\0b', { deep: '\ud800' }, 1, null, true], text: 'written as \\u0000' })).toBe(
    JSON.stringify({ k: ['ab', { deep: '\ufffd' }, 1, null, true], text: 'written as \\u0000' }),
  );
});

test('what is not JSON, or nested too deeply, is reported as not storable', () => {
  let deep: unknown = [];
  for (let depth = 0; depth < 200_000; depth += 1) deep = [deep];
  const record = recordOf({ kind: 'succeeded', result: deep, logs: 'said' }, { status: 'succeeded' }, now);
  expect(record).toMatchObject({
    run: { status: 'failed', reason: 'result_not_storable' },
    attempt: { outcome: 'failed', fault: 'script', result: null, logs: 'said' },
  });
});

test('a failed attempt with another to come names when', () => {
  const failure = failed({ fault: 'target', code: 'http_503', message: 'The target answered 503.', retry: true });
  expect(recordOf(failure, { status: 'queued', delayMs: 1500 }, now).run).toEqual({
    status: 'queued', reason: 'http_503', nextAttemptAt: new Date('2026-05-01T12:00:01.500Z'),
  });
});

test.each([
  ['compile_error', 'script', false], ['no_main', 'script', false], ['result_too_large', 'script', false],
  ['not_serialisable', 'script', false], ['threw', 'script', true], ['timeout', 'script', true],
  ['out_of_memory', 'script', true], ['sandbox_crashed', 'ours', true],
] as const)('a script that ends with %s is the fault of %s; tried again: %s', (code, fault, retry) => {
  const outcome = judgeScript({ ok: false, class: fault, code, message: 'Why.', logs: [], logsTruncated: false, durationMs: 1 });
  expect(outcome).toMatchObject({ kind: 'failed', fault, code, retry, message: 'Why.' });
});

test('console output is one text that says when it was cut', () => {
  const logs = [{ at: 12, level: 'info' as const, text: 'one' }, { at: 30, level: 'error' as const, text: 'two' }];
  const outcome = judgeScript({ ok: true, result: null, logs, logsTruncated: true, durationMs: 1 });
  expect(outcome.logs.split('\n')).toEqual(['[+12ms info] one', '[+30ms error] two', expect.stringContaining('not kept')]);
});
