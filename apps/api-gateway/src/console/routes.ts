import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** What the build leaves where the nonce of an answer belongs. */
const NONCE = 'VANE_NONCE';
/** Pages of the console: the browser draws them all out of one document. */
const PAGES = ['/', '/sign-in', '/join', '/reset-password', '/w/*'];
const NOT_BUILT = 'The console is not built: run "npm run build" in the checkout and start the gateway again. The API works without it.\n';

/**
 * Nothing but our own files, no inline script and no eval. The nonce admits the style elements that the component library
 * and the editor add; both set it on what they add (https://www.w3.org/TR/CSP3/#security-nonces).
 */
const policy = (nonce: string): string =>
  [
    "default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' data:", "connect-src 'self'", "font-src 'self'",
    "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'",
  ].join('; ');

/** Where the console is built to: the folder `dist` of its package. */
export const consoleFolder = (): string => join(dirname(createRequire(import.meta.url).resolve('@vane/console/package.json')), 'dist');

/**
 * Serves the console: its document under every path of a page, and its files, whose names change with what is in them. To be
 * added behind the gate, beside the API, whose paths it does not touch. Without a build its pages say so.
 */
export async function addConsoleRoutes(scope: FastifyInstance, folder = consoleFolder()): Promise<void> {
  const index = join(folder, 'index.html');
  const html = existsSync(index) ? readFileSync(index, 'utf8') : undefined;
  const page = (reply: FastifyReply): FastifyReply => {
    if (html === undefined) return reply.status(503).type('text/plain; charset=utf-8').send(NOT_BUILT);
    const nonce = randomBytes(16).toString('base64');
    // No-store: a nonce is good for one answer.
    return reply
      .headers({ 'content-security-policy': policy(nonce), 'referrer-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin' })
      .type('text/html; charset=utf-8')
      .send(html.replaceAll(NONCE, nonce));
  };
  for (const url of PAGES) scope.get(url, { config: { operation: 'console' }, handler: (_request, reply) => page(reply) });
  if (html === undefined) return;
  await scope.register(fastifyStatic, {
    root: join(folder, 'assets'),
    prefix: '/assets/',
    wildcard: false,
    index: false,
    preCompressed: true,
    immutable: true,
    maxAge: '365d',
  });
}
