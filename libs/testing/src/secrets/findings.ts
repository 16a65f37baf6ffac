import type { SecretMatcher, Match } from './matcher.js';

/** A secret where none may be: `place` is `table.column`, a stream, a key or a file. */
export type Finding = Match & { place: string };

/** A place that may hold certain secrets, and why. Ciphertext and hashes need none: what they are made of cannot be found in them. */
export type Exemption = { place: RegExp; secret: RegExp; reason: string };

/** Collects findings by place, counted. */
export class Findings {
  private readonly counted = new Map<string, Finding & { count: number }>();

  constructor(
    private readonly matcher: SecretMatcher,
    private readonly exemptions: readonly Exemption[] = [],
  ) {}

  look(place: string, content: Buffer | string): void {
    for (const { secret, encoding } of this.matcher.find(typeof content === 'string' ? Buffer.from(content) : content)) {
      if (this.exemptions.some((exempt) => exempt.place.test(place) && exempt.secret.test(secret))) continue;
      const key = `${place} ${secret} ${encoding}`;
      const known = this.counted.get(key);
      this.counted.set(key, { place, secret, encoding, count: (known?.count ?? 0) + 1 });
    }
  }

  list(): Finding[] {
    return [...this.counted.values()].map(({ place, secret, encoding }) => ({ place, secret, encoding }));
  }

  /** @throws Error that names every place and secret, and shows no value */
  expectNone(what: string): void {
    if (this.counted.size === 0) return;
    const lines = [...this.counted.values()].map(({ place, secret, encoding, count }) => `  ${place} holds ${secret} (${encoding}), ${count} times`);
    throw new Error(`Secrets stand where none may be, in ${what}:\n${lines.sort().join('\n')}`);
  }
}
