import { Problem } from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { CalendarService, type Watch } from './calendar-service.js';
import type { Server } from './child-process.js';
import { round } from './figures.js';
import { Site, type Servers } from './sync-house.js';
import { connect, listen } from './watched-calendars.js';

/** `perSecond`: from the first to the last registration that the stand-in noted. The counts are its own, too. */
export type Renewed = { due: number; renewed: number; more_than_once: number; perSecond: number };

/** In which everything is to be done: a minute, and so much for each. */
const DEADLINE_MS = { all: 60_000, each: 200 };
const LOOK_EVERY_MS = 250;
const TELL_EVERY_MS = 10_000;

type Say = (line: string) => void;

/** Channels at a stand-in, and processes of Vane that keep them alive: all are registered, none is due. */
export class Renewals {
  private workers: Server[] = [];

  private constructor(
    private readonly site: Site,
    private readonly service: CalendarService,
    private readonly say: Say,
  ) {}

  static async open(ground: Ground, servers: Servers, { channels, triggerServices, say }: { channels: number; triggerServices: number; say: Say }): Promise<Renewals> {
    const service = await CalendarService.start(ground);
    const site = await Site.open(ground, servers, 'renew', {
      VANE_EGRESS_ALLOW: new URL(service.url).host,
      // Only renewals, and the pull that follows each, are measured; a canary of such a service is a renewal, too.
      VANE_PULL_EVERY_SECONDS: '86400', VANE_CANARY_EVERY_SECONDS: '0',
    });
    await site.start('oauth-service');
    for (let index = 0; index < triggerServices; index += 1) await site.start('trigger-service');
    say(`registering ${channels} channels`);
    await listen(site, service, await connect(site, service), channels);
    return new Renewals(site, service, say);
  }

  /** Makes all of them due at once, and waits until so many sync-workers have seen to it that nothing is left to do. */
  async renew(workers: number): Promise<Renewed> {
    while (this.workers.length < workers) this.workers.push(await this.site.start('sync-worker'));
    const before = await this.service.watches();
    const now = new Date();
    const { rowCount } = await this.site.database.pool.query(`UPDATE subscription SET renew_at = $1 WHERE status = 'active'`, [now]);
    await this.allDone(rowCount ?? 0, now);
    return judge(rowCount ?? 0, (await this.service.watches()).slice(before.length));
  }

  private async allDone(due: number, since: Date): Promise<void> {
    const deadlineMs = DEADLINE_MS.all + due * DEADLINE_MS.each;
    const deadline = performance.now() + deadlineMs;
    let toldAt = performance.now();
    for (;;) {
      const { rows } = await this.site.database.pool.query<{ renewed: string; open: string }>(
        `SELECT count(*) FILTER (WHERE status = 'active' AND registered_at >= $1) AS renewed,
           count(*) FILTER (WHERE status NOT IN ('active', 'removed') OR (status = 'active' AND registered_at < $1))
             + (SELECT count(*) FROM feed_pull WHERE wanted > done) AS open
         FROM subscription`,
        [since],
      );
      const { renewed, open } = rows[0]!;
      if (Number(renewed) === due && Number(open) === 0) return;
      if (performance.now() > deadline) throw new Problem(`After ${deadlineMs / 1000} s ${renewed} of ${due} subscriptions are renewed, and ${open} things are left to do.`);
      if (performance.now() > toldAt + TELL_EVERY_MS) {
        toldAt = performance.now();
        this.say(`  ${renewed} of ${due} renewed`);
      }
      await new Promise((next) => setTimeout(next, LOOK_EVERY_MS));
    }
  }
}

export function judge(due: number, watches: Watch[]): Renewed {
  const times = new Map<string, number>();
  for (const { calendar } of watches) times.set(calendar, (times.get(calendar) ?? 0) + 1);
  const moments = watches.map(({ at }) => at);
  const seconds = (Math.max(...moments) - Math.min(...moments)) / 1000;
  return { due, renewed: times.size, more_than_once: [...times.values()].filter((count) => count > 1).length, perSecond: round(watches.length / seconds, 1) };
}
