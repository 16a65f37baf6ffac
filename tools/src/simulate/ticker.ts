import { randomUUID } from 'node:crypto';
import {
  doWork, dueWork, ensurePartitions, refreshDueTokens, relayInbox, sweepSubscriptions, systemCall, type Operation, type OutputOf, type WorkItem, type WorkKind,
} from '@vane/contracts';
import type { Bus } from '@vane/runtime';
import type { z } from 'zod';

const ITEMS_AT_ONCE = 16;
/** Rounds of one tick: what is done makes other things due. */
const ROUNDS = 4;
/** After a process was killed, those who asked it wait no longer than this for an answer that may never come. */
const GRACE_MS = 300;

/** Asks the owners for what a scheduler would ask them for, at a moment of simulated time. What fails is due again. */
export class Ticker {
  private readonly waiting = new Set<() => void>();
  readonly counts = { done: 0, failed: 0, lost: 0 };
  /** What was done, by kind. */
  readonly kinds: Partial<Record<WorkKind, number>> = {};

  constructor(private readonly bus: Bus) {}

  /** A process was killed: its answers are not waited for. */
  somebodyDied(): void {
    const asked = [...this.waiting];
    setTimeout(() => asked.forEach((giveUp) => giveUp()), GRACE_MS);
  }

  /** Everything that is due; `drop` forgets the half of it that is still in hand. */
  async tick({ drop = false, partitions = false }: { drop?: boolean; partitions?: boolean } = {}): Promise<void> {
    if (partitions) await this.ask(ensurePartitions, {});
    await Promise.all([this.ask(sweepSubscriptions, { limit: 200 }), this.ask(relayInbox, { limit: 500 }), this.ask(refreshDueTokens, { limit: 50 })]);
    for (let round = 0; round < ROUNDS; round += 1) {
      const items = (await this.ask(dueWork, { limit: 1_000 }))?.items ?? [];
      if (items.length === 0) return;
      await this.doAll(drop ? items.slice(0, items.length / 2) : items);
      if (drop) return;
    }
  }

  private async doAll(items: WorkItem[]): Promise<void> {
    const left = [...items];
    const work = async () => {
      for (let item = left.shift(); item; item = left.shift()) {
        if (!(await this.ask(doWork, item))?.done) continue;
        this.counts.done += 1;
        this.kinds[item.kind] = (this.kinds[item.kind] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: ITEMS_AT_ONCE }, work));
  }

  private async ask<O extends Operation>(operation: O, input: z.input<O['input']>): Promise<OutputOf<O> | undefined> {
    let giveUp = () => {};
    const lost = new Promise<undefined>((resolve) => {
      giveUp = () => {
        this.counts.lost += 1;
        resolve(undefined);
      };
    });
    this.waiting.add(giveUp);
    try {
      return await Promise.race([this.bus.ask(operation, input, systemCall('sync-worker', randomUUID())), lost]);
    } catch {
      this.counts.failed += 1;
      return undefined;
    } finally {
      this.waiting.delete(giveUp);
    }
  }
}
