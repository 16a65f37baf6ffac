import type { GoogleFake } from '../../../libs/adapters/src/google/fake/server.js';
import type { Change, Plan } from './plan.js';

export type FeedTrigger = { account: string; type: string; config: Record<string, string> };

export const accountsOf = (plan: Plan): string[] => Array.from({ length: plan.accounts }, (_, index) => `person-${index}@example.test`);

/** The accounts, calendars and files of a plan at the stand-in of the service, and what happens to them. */
export class World {
  readonly accounts: string[];
  readonly client: { clientId: string; clientSecret: string };

  constructor(
    private readonly google: GoogleFake,
    private readonly plan: Plan,
  ) {
    this.accounts = accountsOf(plan);
    const { clientId, clientSecret } = google.state.clients[0]!;
    this.client = { clientId, clientSecret };
  }

  /** What is there before anybody listens. */
  furnish(): void {
    for (const [feed, kind] of this.plan.feeds.entries()) {
      if (kind === 'calendar') this.google.act('calendars', { id: this.calendarOf(feed), account: this.accountOf(feed), summary: `Calendar ${feed}` });
      if (kind === 'file') this.google.act('files', { id: this.fileOf(feed, 0), account: this.accountOf(feed), name: `File ${feed}` });
    }
  }

  triggerOf(feed: number): FeedTrigger {
    const account = this.accountOf(feed);
    const kind = this.plan.feeds[feed];
    if (kind === 'calendar') return { account, type: 'calendar-events', config: { calendarId: this.calendarOf(feed) } };
    if (kind === 'file') return { account, type: 'drive-file', config: { fileId: this.fileOf(feed, 0) } };
    return { account, type: 'drive-changes', config: {} };
  }

  /** Where what a feed listens to happens, and to which object where it is one alone. */
  scopeOf(feed: number): { kind: 'event' | 'file'; place: string; id?: string } {
    const kind = this.plan.feeds[feed];
    if (kind === 'calendar') return { kind: 'event', place: this.calendarOf(feed) };
    return { kind: 'file', place: this.accountOf(feed), ...(kind === 'file' ? { id: this.fileOf(feed, 0) } : {}) };
  }

  apply({ feed, object, kind, atMs }: Change): void {
    const account = this.accountOf(feed);
    if (this.plan.feeds[feed] === 'calendar') {
      const at = { calendarId: this.calendarOf(feed), id: `e${feed}x${object}v` };
      const path = { create: 'events', update: 'events/update', delete: 'events/delete' }[kind];
      this.google.act(path, { ...at, ...(kind === 'delete' ? {} : { summary: `Changed at ${Math.round(atMs)}` }) });
      return;
    }
    const path = { create: 'files', update: 'files/update', delete: 'files/delete' }[kind];
    const id = this.fileOf(feed, object);
    this.google.act(path, { id, ...(kind === 'create' ? { account } : {}), ...(kind === 'delete' ? {} : { name: `Changed at ${Math.round(atMs)}` }) });
  }

  private accountOf(feed: number): string {
    return this.accounts[feed % this.accounts.length]!;
  }

  private calendarOf(feed: number): string {
    return `calendar-${feed}@group.calendar.example.test`;
  }

  private fileOf(feed: number, object: number): string {
    return `file-${feed}-${object}`;
  }
}
