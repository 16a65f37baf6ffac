import { VaneError } from '@vane/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const MOST_BYTES = 16_384;

/** Lets the routes of a scope take what a page's form posts; their body is its fields by name. */
export function readForms(scope: FastifyInstance): void {
  scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string', bodyLimit: MOST_BYTES }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body as string))),
  );
}

/** A field of a form, or a member of a JSON body; empty when it is not there. */
export function fieldOf({ body }: Pick<FastifyRequest, 'body'>, name: string): string {
  const value = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' ? value : '';
}

/**
 * A page of another origin must not press our buttons for the person in front of it. Browsers say with every POST where it
 * comes from (https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header);
 * what is no browser says nothing.
 *
 * @throws VaneError `csrf_refused`
 */
export function requireOwnPage({ headers }: Pick<FastifyRequest, 'headers'>, origin: string): void {
  const { origin: from, 'sec-fetch-site': site } = headers;
  if ((from === undefined || from === origin) && (site === undefined || site === 'same-origin')) return;
  throw new VaneError('csrf_refused', 'This was sent by a page of another site, so nothing was done. Open the start link yourself, and go on from there.');
}
