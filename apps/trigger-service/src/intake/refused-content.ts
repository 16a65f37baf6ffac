/** SQLSTATE classes of a value that Postgres will never take: data exception, program limit exceeded. */
const REFUSED_VALUE = /^(22|54)/;

/** What came in cannot be made into events: trying again would end the same way. */
export class UnreadableContent extends Error {}

/**
 * Whether an error is about what a delivery contains, so that it comes again however often one tries: Postgres refuses a
 * value (https://www.postgresql.org/docs/current/errcodes-appendix.html), or an adapter cannot work on it. Everything else
 * may pass.
 */
export function isAboutContent(error: unknown): boolean {
  return error instanceof UnreadableContent || REFUSED_VALUE.test(String((error as { code?: unknown } | null)?.code));
}

/** What text columns and jsonb hold: everything but NUL and halves of surrogate pairs. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\uFFFD').replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** An error's message as a reason that can be stored and shown. */
export function reasonOf(error: unknown): string {
  return storable((error instanceof Error ? error.message : String(error)).slice(0, REASON_CHARS));
}

const REASON_CHARS = 300;
