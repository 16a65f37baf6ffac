const PER_HOUR = 1_000;
const HOUR_MS = 3_600_000;
const MAX_KEYS = 10_000;

/**
 * Keeps a flood of requests that nobody verified (refused ones, handshakes) from filling the store: the first thousand an
 * hour per key are kept, all are counted.
 */
export class RefusalBudget {
  private readonly spent = new Map<string, { since: number; count: number }>();

  allows(key: string, now: Date): boolean {
    const at = now.getTime();
    let entry = this.spent.get(key);
    if (!entry || at - entry.since >= HOUR_MS) {
      if (this.spent.size >= MAX_KEYS) this.spent.delete(this.spent.keys().next().value!);
      entry = { since: at, count: 0 };
      this.spent.set(key, entry);
    }
    entry.count += 1;
    return entry.count <= PER_HOUR;
  }
}
