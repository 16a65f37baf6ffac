import type { Json, JsonObject } from '@vane/kit';
import { z } from 'zod';

const LONGEST_FILTER = 1_500;

export const config = z.strictObject({
  event: z
    .string()
    .max(200)
    // As documents write it, also with the leading backslash that PHP code has; forms check the same pattern.
    .regex(
      /^\s*\\*[A-Za-z_][A-Za-z0-9_]*(?:\\[A-Za-z_][A-Za-z0-9_]*)+\s*$/,
      'is not the full name of a PHP class: write one as in OCP\\Files\\Events\\Node\\NodeCreatedEvent',
    )
    .overwrite((name) => name.trim().replace(/^\\+/, ''))
    .meta({ title: 'Event', description: 'Full name of an event class; one from the list, or one that an app documents' }),
  filter: z
    .record(z.string(), z.unknown())
    .refine((filter) => JSON.stringify(filter).length <= LONGEST_FILTER, `is longer than ${LONGEST_FILTER} characters of JSON`)
    .optional()
    .meta({
      title: 'Filter',
      description: 'JSON conditions on event, user and time, such as {"event.node.path": "/^\\\\/alice\\\\/files\\\\/Inbox\\\\//"}; what does not match is not sent',
    }),
  userId: z.string().trim().min(1).max(64).optional().meta({ title: 'User', description: 'Only what this account does' }),
  tokensFor: z
    .array(z.enum(['owner', 'trigger']))
    .max(2)
    .optional()
    .meta({
      title: 'Account tokens',
      description: 'Gives scripts, as ctx.auth and for an hour, a token to act as the connected account (owner) or as who caused the event (trigger). Nextcloud 33 and later',
    }),
});

export type Config = z.output<typeof config>;

/** Unset is null throughout. */
export type Want = JsonObject & { event: string; filter: Json; userId: string | null; tokens: Json };

export function wantOf({ event, filter, userId, tokensFor }: Config): Want {
  return { event, filter: canonical(filter as Json | undefined), userId: userId ?? null, tokens: canonical([...new Set(tokensFor)].sort()) };
}

/** One text for one want: the class, and what narrows it where something does. */
export function resourceOf({ event, ...rest }: Want): string {
  const narrowed = Object.entries(rest).filter(([, value]) => value !== null);
  return narrowed.length === 0 ? event : `${event} ${JSON.stringify(Object.fromEntries(narrowed))}`;
}

/** As PHP hands it back, which knows one kind of empty map and list; members in order of name, nothing at all as null. */
export function canonical(value: Json | undefined): Json {
  if (value === undefined || value === '' || value === null) return null;
  return typeof value === 'object' && Object.keys(value).length === 0 ? null : sorted(value);
}

function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? [] : Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
