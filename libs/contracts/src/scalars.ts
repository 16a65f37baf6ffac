import { z } from 'zod';

/** Kinds of ids; every id is `<kind>_` and 26 characters of Crockford base32, ordered by time of creation (ULID). */
export const ID_KINDS = {
  workspace: 'wsp',
  token: 'tok',
  user: 'usr',
  session: 'ses',
  invitation: 'inv',
  audit: 'aud',
  notification: 'ntf',
  channel: 'chn',
  integration: 'int',
  connection: 'con',
  runnable: 'rbl',
  secret: 'sec',
  trigger: 'trg',
  feed: 'fed',
  subscription: 'sub',
  delivery: 'dlv',
  event: 'evt',
  run: 'run',
  canary: 'cny',
  sync: 'syn',
  replay: 'rpl',
} as const;
export type IdKind = keyof typeof ID_KINDS;

export const id = (kind: IdKind) =>
  z
    .string()
    .regex(new RegExp(`^${ID_KINDS[kind]}_[0-9a-hjkmnp-tv-z]{26}$`), `is not a ${kind} id (${ID_KINDS[kind]}_...)`)
    .meta({ examples: [`${ID_KINDS[kind]}_01k9zq3v8w5x2y7t4r6n0m1abc`] });

/** Whether Postgres can store a text: it takes no NUL, and UTF-8 knows no half of a surrogate pair. */
const storable = (value: string): boolean => !value.includes('\0') && !/\p{Surrogate}/u.test(value);
const NOT_STORABLE = 'holds a character that cannot be stored (NUL or half of a surrogate pair); leave it out';

/** Every text that a caller gives. */
export const text = () => z.string().refine(storable, NOT_STORABLE);

/** A password field in forms and in OpenAPI, and masked wherever a call is recorded. */
const SECRET = { format: 'password' } as const;

/** A secret that a caller gives, and that is never shown again. */
export const secretText = () => text().meta({ ...SECRET, writeOnly: true });

/** A secret that is shown to whoever may use it, or a URL whose last part is one. */
export const shownSecret = () => z.string().meta(SECRET);

/** An absolute URL that a caller gives. */
export const webUrl = () => z.url({ protocol: /^https?$/ }).refine(storable, NOT_STORABLE);

/** The version of an object that the caller has read. */
export const ifMatch = z.coerce
  .number()
  .int()
  .min(0)
  .max(2_147_483_647, 'is not a version of this object; read it again and send the version it has');

/** Ids in a path or query are not checked for form: an unknown one is simply not found. */
export const ref = text().min(1).max(64);

export const instant = z.iso.datetime().describe('UTC, ISO 8601');
export const label = text().trim().min(1).max(200);
/** Identifies a service or a trigger type; a slug, never an enum, so that a new adapter needs no change here. */
export const slug = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'is not a slug (a-z, 0-9, -)');
export const json = z.json();
export const jsonObject = z.record(z.string(), z.json()).refine(storableJson, NOT_STORABLE);

function storableJson(value: unknown): boolean {
  if (typeof value === 'string') return storable(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, member]) => storable(name) && storableJson(member));
}

/** Cursor paging: pass `next` of one page as `cursor` of the following one. Newest first. */
export const pageQuery = {
  cursor: text().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
};

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable().describe('Pass as `cursor` to get the next page; null at the end') });

export const done = z.object({ ok: z.literal(true) });
