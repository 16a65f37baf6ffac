import { Injectable } from '@nestjs/common';
import { withDeadline } from './deadline.js';

const ANSWER_MS = 2_000;

type Check = { name: string; check: () => Promise<void> | void };

/** What this app needs in order to work; `/readyz` asks all of them, `/healthz` none. */
@Injectable()
export class Health {
  private readonly checks: Check[] = [];
  private alternatives: string[] = [];

  add(name: string, check: Check['check']): void {
    this.checks.push({ name, check });
  }

  /** Says that one of these is enough: this app works, if less well, while another is away. */
  eitherOf(...names: string[]): void {
    this.alternatives = names;
  }

  /** Whether this app can work now, and one entry per need: null when it is met, else a sentence. */
  async ready(): Promise<{ ok: boolean; needs: Record<string, string | null> }> {
    const entries = this.checks.map(async ({ name, check }) => {
      try {
        await withDeadline(Promise.resolve(check()), ANSWER_MS, () => new Error(`no answer within ${ANSWER_MS} ms`));
        return [name, null] as const;
      } catch (error) {
        return [name, error instanceof Error ? error.message : String(error)] as const;
      }
    });
    const needs = Object.fromEntries(await Promise.all(entries));
    const met = (name: string) => needs[name] === null;
    const alternativeMet = this.alternatives.some(met);
    const ok = Object.keys(needs).every((name) => met(name) || (alternativeMet && this.alternatives.includes(name)));
    return { ok, needs };
  }
}
