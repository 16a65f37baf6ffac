type Waiting<Item, Result> = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void };

/**
 * Does one kind of work on many items at once: the first is begun at once, and what is asked for meanwhile is done together
 * when that has ended. With little to do nobody waits; with much, statements and commits are shared.
 */
export class Batches<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private busy = false;

  /** `work` answers with one result per item, in the order of the items. */
  constructor(
    private readonly work: (items: Item[]) => Promise<Result[]>,
    private readonly most = 100,
  ) {}

  /** Rejects with what `work` rejects with; an item is not held against others: what fails together is done one by one. */
  do(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.busy) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.busy = true;
    // What is asked for in this turn of the event loop belongs to the first batch.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.runOne(this.waiting.splice(0, this.most));
    this.busy = false;
  }

  private async runOne(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.work(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => resolve(results[index] as Result));
    } catch (error) {
      if (batch.length === 1) return batch[0]!.reject(error);
      for (const one of batch) await this.runOne([one]);
    }
  }
}
