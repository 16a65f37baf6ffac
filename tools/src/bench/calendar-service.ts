import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { RequestRecord } from '../../../libs/adapters/src/google/fake/wire.js';
import { freePort, Problem } from '../../launch/index.mjs';
import type { Ground } from '../chaos/own-ground.js';
import { builtFile, startServer } from './child-process.js';

/** Calendars put at the stand-in with one request. */
const BATCH = 500;
const WATCH = 'calendar.events.watch';

/** A registration as the stand-in has noted it; `at` in milliseconds. */
export type Watch = { calendar: string; at: number };

/** The stand-in of a calendar service, a process of its own; it keeps its messages to itself. */
export class CalendarService {
  private constructor(
    readonly url: string,
    readonly client: { clientId: string; clientSecret: string },
  ) {}

  static async start({ dir, closers }: Ground): Promise<CalendarService> {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const client = { clientId: 'bench-client', clientSecret: randomBytes(24).toString('base64url') };
    const server = await startServer({
      name: 'The stand-in of the service',
      nodeArgs: [
        builtFile('libs/adapters/dist/google/fake/main.js'), '--port', String(port), '--hold', '--auto-approve', '--allow-http',
        '--client-id', client.clientId, '--client-secret', client.clientSecret,
      ],
      env: { PATH: process.env['PATH'] ?? '' },
      logFile: join(dir, 'logs', 'service.log'),
      isReady: async () => (await fetch(`${url}/__fake/counts`).catch(() => undefined))?.ok === true,
    });
    closers.push(() => server.stop());
    return new CalendarService(url, client);
  }

  async addCalendars(ids: string[]): Promise<void> {
    for (let from = 0; from < ids.length; from += BATCH) {
      const operations = ids.slice(from, from + BATCH).map((id) => ({ path: 'calendars', body: { id, summary: id } }));
      const answer = await fetch(`${this.url}/__fake/batch`, { method: 'POST', body: JSON.stringify({ operations }) });
      if (!answer.ok) throw new Problem(`The stand-in of the service did not take the calendars: ${await answer.text()}`);
    }
  }

  /** Every registration that it has confirmed, the first one first. */
  async watches(): Promise<Watch[]> {
    const records = (await (await fetch(`${this.url}/__fake/requests?operation=${WATCH}&status=200`)).json()) as RequestRecord[];
    return records.map(({ path, at }) => ({ calendar: decodeURIComponent(path.split('/').at(-3)!), at: Date.parse(at) }));
  }
}
