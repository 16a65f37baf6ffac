import { needlesOf, type Needle } from './encodings.js';
import type { Secret } from './registry.js';

export type Match = { secret: string; encoding: string };

type Entry = Needle & { secret: string };

const BUCKETS = 1 << 20;
/** Any odd constant that spreads four bytes over the buckets. */
const SPREAD = 0x9e3779b1;

/**
 * Finds any of many secrets in any of their encodings in one pass: a needle is compared only where its first four bytes
 * may stand.
 */
export class SecretMatcher {
  private readonly mayBegin = new Uint8Array(BUCKETS);
  private readonly byBeginning = new Map<number, Entry[]>();
  readonly size: number;

  constructor(secrets: readonly Secret[]) {
    this.size = secrets.length;
    for (const { name, value } of secrets) for (const needle of needlesOf(value)) this.add({ ...needle, secret: name });
  }

  /** What stands in these bytes, each kind of finding once. */
  find(haystack: Buffer): Match[] {
    const found = new Map<string, Match>();
    for (let at = 0; at + 4 <= haystack.length; at += 1) {
      const beginning = haystack[at]! | (haystack[at + 1]! << 8) | (haystack[at + 2]! << 16) | (haystack[at + 3]! << 24);
      if (this.mayBegin[bucketOf(beginning)] === 0) continue;
      for (const { bytes, secret, encoding } of this.byBeginning.get(beginning) ?? []) {
        const same = at + bytes.length <= haystack.length && bytes.compare(haystack, at, at + bytes.length) === 0;
        if (same) found.set(`${secret} ${encoding}`, { secret, encoding });
      }
    }
    return [...found.values()];
  }

  private add(entry: Entry): void {
    const beginning = entry.bytes.readInt32LE(0);
    this.mayBegin[bucketOf(beginning)] = 1;
    const entries = this.byBeginning.get(beginning);
    if (entries) entries.push(entry);
    else this.byBeginning.set(beginning, [entry]);
  }
}

const bucketOf = (beginning: number): number => Math.imul(beginning, SPREAD) >>> 12;
