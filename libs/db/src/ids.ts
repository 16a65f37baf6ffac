import { randomBytes } from 'node:crypto';
import { ID_KINDS } from '@vane/contracts';
import type { IdKind } from '@vane/contracts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LATEST = 2 ** 48 - 1;

let lastTime = -1;
let lastRandom = 0n;

/**
 * A new id: the prefix of its kind and a ULID (https://github.com/ulid/spec) in lower case. Ids sort by the time of their
 * creation; those of one process within one millisecond sort in the order they were made. Throws for an invalid date.
 */
export function newId(kind: IdKind, now: Date): string {
  const time = now.getTime();
  if (!(time >= 0 && time <= LATEST)) throw new RangeError(`An id of kind ${kind} needs a valid time after 1970.`);
  // The top bit of a fresh random part is 0, so that counting up within the millisecond cannot overflow its 80 bits.
  lastRandom = time === lastTime ? lastRandom + 1n : BigInt(`0x${randomBytes(10).toString('hex')}`) & ((1n << 79n) - 1n);
  lastTime = time;
  return `${ID_KINDS[kind]}_${encode(BigInt(time), 10)}${encode(lastRandom, 16)}`;
}

/** The lowest id of a kind that could be made at this time: what was made before sorts below it, all else not. */
export function firstIdAt(kind: IdKind, at: Date): string {
  const time = Math.min(Math.max(at.getTime(), 0), LATEST);
  return `${ID_KINDS[kind]}_${encode(BigInt(time), 10)}${'0'.repeat(16)}`;
}

function encode(value: bigint, length: number): string {
  let text = '';
  for (let rest = value, left = length; left > 0; left -= 1, rest >>= 5n) text = ALPHABET[Number(rest & 31n)] + text;
  return text;
}
