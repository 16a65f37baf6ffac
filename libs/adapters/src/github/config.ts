import type { JsonObject } from '@vane/kit';
import { z } from 'zod';

/** Every event, also those GitHub will invent. */
export const ALL = '*';

export const config = z.strictObject({
  repository: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})\/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/, 'is not a repository: write owner/name, as in octocat/hello-world')
    .meta({ title: 'Repository', description: 'owner/name; the connected account must administer it' }),
  events: z
    .array(
      z
        .string()
        .trim()
        .regex(/^(?:\*|[a-z][a-z0-9_]{0,99})$/, 'is not the name of an event: write one as in pull_request, or * for all')
        .refine((name) => name !== 'ping', 'cannot be listened to: GitHub sends ping to every new webhook, and it starts nothing'),
    )
    .min(1, 'needs at least one event, or * for all')
    .max(100)
    .meta({ title: 'Events', description: 'Names as GitHub writes them, such as push or pull_request; * for all' }),
});

export type Config = z.output<typeof config>;

export type Want = JsonObject & { events: string[] };

/** Sorted, each once; `*` swallows the others. */
export function canonicalEvents(events: readonly string[]): string[] {
  return events.includes(ALL) ? [ALL] : [...new Set(events)].sort();
}
