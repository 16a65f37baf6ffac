import { describe, expect, it } from '@jest/globals';
import { ID_KINDS, id } from '@vane/contracts';
import type { IdKind } from '@vane/contracts';
import { newId } from './ids.js';

const NOW = new Date('2026-03-01T12:00:00.000Z');

describe('newId', () => {
  it.each(Object.keys(ID_KINDS) as IdKind[])('makes an id of kind %s that its contract accepts', (kind) => {
    expect(id(kind).safeParse(newId(kind, NOW)).success).toBe(true);
  });

  it('encodes the time as the ULID specification does', () => {
    expect(newId('run', new Date(1469918176385)).slice(4, 14)).toBe('01aryz6s41');
  });

  it('sorts in the order of creation within one millisecond and across milliseconds', () => {
    const ids = Array.from({ length: 3_000 }, (_, index) => newId('event', new Date(NOW.getTime() + Math.floor(index / 1_000))));
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('follows the given time when it goes back', () => {
    const later = newId('run', new Date(NOW.getTime() + 60_000));
    expect(newId('run', NOW) < later).toBe(true);
  });

  it('refuses an invalid date', () => {
    expect(() => newId('run', new Date(Number.NaN))).toThrow('needs a valid time');
  });
});
