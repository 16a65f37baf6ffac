/** One entry: the object `id` changed for the last time at `at` (milliseconds), as number `seq`. */
export type Entry = { seq: number; id: string; at: number };

/** Some entries, and where to go on; `next` is null when the end was reached. */
export type Page = { entries: Entry[]; next: number | null };

/**
 * What changed, in order, one entry for each object: a new change takes the object's entry away from where it was and puts
 * it at the end. A position is the number of the first entry still to read, so reading costs what is read, not what there is.
 */
export type ChangeLog = {
  append(id: string, at: number): void;
  /** The number that the next entry gets: the position of who has read all. */
  head(): number;
  /** Positions before this one have been given up. */
  floor(): number;
  /** Gives up every position handed out so far. */
  expire(): void;
  /** Up to `size` entries that `wanted` keeps, from `from` on and before `until`. */
  page(from: number, size: number, wanted: (entry: Entry) => boolean, until?: number): Page;
};

/** An empty log whose first entry gets the number `first`. */
export function createChangeLog(first = 1): ChangeLog {
  let entries: Entry[] = [];
  const latest = new Map<string, number>();
  let [next, floor] = [first, first];
  const live = (entry: Entry) => latest.get(entry.id) === entry.seq;

  const indexOf = (seq: number): number => {
    let [low, high] = [0, entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((entries[middle]?.seq ?? Infinity) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    append(id, at) {
      latest.set(id, next);
      entries.push({ seq: next, id, at });
      next += 1;
      if (entries.length > 2 * latest.size + 256) entries = entries.filter(live);
    },
    head: () => next,
    floor: () => floor,
    expire() {
      next += 1;
      floor = next;
    },
    page(from, size, wanted, until = Infinity) {
      const found: Entry[] = [];
      for (let index = indexOf(from); index < entries.length; index += 1) {
        const entry = entries[index];
        if (!entry || entry.seq >= until) break;
        if (!live(entry) || !wanted(entry)) continue;
        if (found.length === size) return { entries: found, next: entry.seq };
        found.push(entry);
      }
      return { entries: found, next: null };
    },
  };
}
