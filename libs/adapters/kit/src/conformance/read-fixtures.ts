import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Fixture } from './subject.js';

const fixtureFile = z.strictObject({
  /** Where the delivery was recorded or which document shows it. */
  source: z.string().min(1),
  headers: z.record(z.string(), z.string()).optional(),
  /** The body as it was sent, as text. */
  body: z.string(),
  events: z
    .array(
      z.strictObject({
        type: z.string().optional(),
        dedupeKey: z.string().nullable().optional(),
        occurredAt: z.string().nullable().optional(),
        payload: z.json().optional(),
      }),
    )
    .optional(),
  ping: z.boolean().optional(),
});

/**
 * Recorded deliveries of a folder, one `.json` file each, in order of name.
 *
 * @throws Error naming the file that is none.
 */
export function readFixtures(folder: URL): Fixture[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return names.sort().map((name) => {
    try {
      const { headers, body, events, ping } = fixtureFile.parse(JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
      return { name: name.slice(0, -'.json'.length), body, ...(headers && { headers }), ...(events && { events }), ...(ping && { ping }) };
    } catch (error) {
      throw new Error(`fixtures/${name} is no recorded delivery: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  });
}
