import { Injectable } from '@nestjs/common';
import { withDeadline } from './deadline.js';

const ANSWER_MS = 2_000;

type Check = { name: string; check: () => Promise<void> | void };

/** What this app needs in order to work; `/readyz` asks all of them, `/healthz` none. */
@Injectable()
export class Health {
  private readonly checks: Check[] = [];

  add(name: string, check: Check['check']): void {
    this.checks.push({ name, check });
  }

  /** One entry per need: null when it is met, else a sentence. */
  async ready(): Promise<Record<string, string | null>> {
    const entries = this.checks.map(async ({ name, check }) => {
      try {
        await withDeadline(Promise.resolve(check()), ANSWER_MS, () => new Error(`no answer within ${ANSWER_MS} ms`));
        return [name, null] as const;
      } catch (error) {
        return [name, error instanceof Error ? error.message : String(error)] as const;
      }
    });
    return Object.fromEntries(await Promise.all(entries));
  }
}
