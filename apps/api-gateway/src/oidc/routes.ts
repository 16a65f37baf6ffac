import { acceptInvitation, VaneError, type Actor } from '@vane/contracts';
import type { Logger } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticator } from '../access/authenticator.js';
import { ANONYMOUS } from '../access/identity.js';
import type { SessionCookie } from '../access/session-cookie.js';
import type { Sessions } from '../access/sessions.js';
import type { Recorder } from '../audit/recorder.js';
import { callersError, sendAnswer } from '../http/gate.js';
import { errorHeaders, problemAnswer } from '../http/problem.js';
import { page, wantsJson } from '../oauth/pages.js';
import { AttemptCookie } from './attempt-cookie.js';
import type { IdentityLinks, KnownPerson } from './identity-links.js';
import type { Claims, IdentityProvider } from './identity-provider.js';

export const OIDC_START = '/auth/oidc/start';
export const OIDC_CALLBACK = '/auth/oidc/callback';
/** Name in the audit trail and in logs. */
const OPERATION = 'session.sign-in-oidc';

export type OidcDependencies = {
  provider: IdentityProvider;
  links: IdentityLinks;
  sessions: Sessions;
  authenticator: Authenticator;
  recorder: Recorder;
  cookie: SessionCookie;
  logger: Logger;
};

/** The two hops of a browser that signs in at the operator's identity provider. Their URLs hold credentials and are never logged. */
export function addOidcRoutes(scope: FastifyInstance, dependencies: OidcDependencies): void {
  const attempts = new AttemptCookie(dependencies.cookie.origin.startsWith('https:'));
  // No HEAD: a code works once.
  scope.get(OIDC_START, { exposeHeadRoute: false, config: { operation: 'session.oidc-start' }, handler: (request, reply) => start(request, reply, attempts, dependencies) });
  scope.get(OIDC_CALLBACK, { exposeHeadRoute: false, config: { operation: OPERATION }, handler: (request, reply) => finish(request, reply, attempts, dependencies) });
}

async function start(request: FastifyRequest, reply: FastifyReply, attempts: AttemptCookie, dependencies: OidcDependencies): Promise<FastifyReply> {
  const { provider, cookie } = dependencies;
  try {
    const { attempt, location } = await provider.begin();
    const { returnTo } = request.query as { returnTo?: unknown };
    reply.header('set-cookie', attempts.set({ ...attempt, returnTo: localPath(returnTo, cookie.origin) }));
    return reply.redirect(location, 302);
  } catch (error) {
    return refuse(error, request, reply, dependencies);
  }
}

async function finish(request: FastifyRequest, reply: FastifyReply, attempts: AttemptCookie, dependencies: OidcDependencies): Promise<FastifyReply> {
  const { provider, sessions, cookie } = dependencies;
  const query = request.raw.url?.split('?').slice(1).join('?') ?? '';
  const state = new URLSearchParams(query).get('state');
  try {
    const attempt = state === null ? null : attempts.read(request.headers.cookie, state);
    if (attempt === null) throw new VaneError('oauth_state_invalid', 'This browser did not begin this sign-in, or more than ten minutes ago. Sign in again.');
    const { id } = await recognise(await provider.redeem(query, attempt), request, dependencies);
    const { token } = await sessions.open(id, { userAgent: request.headers['user-agent'] ?? '' });
    reply.header('set-cookie', [attempts.clear(attempt.state), cookie.set(token)]);
    return reply.redirect(localPath(attempt.returnTo, cookie.origin), 303);
  } catch (error) {
    // On another try what may work then still needs its cookie.
    const ended = !(error instanceof VaneError) || error.retry !== 'later';
    if (ended && state !== null) reply.header('set-cookie', attempts.clear(state));
    return refuse(error, request, reply, dependencies);
  }
}

/** Who somebody is whom the provider vouches for; recorded, refused or not, and in the trail of every workspace that was joined. */
async function recognise(claims: Claims, request: FastifyRequest, { links, recorder, authenticator }: OidcDependencies): Promise<KnownPerson> {
  const stranger: Actor = { ...ANONYMOUS, label: (claims.email ?? claims.subject).slice(0, 320) };
  const { issuer, subject, email, emailVerified } = claims;
  const intent = {
    workspaceId: null, actor: stranger, operation: OPERATION, targetId: null, input: { issuer, subject, email, emailVerified },
    correlationId: request.correlationId, address: request.ip,
  };
  const actorOf = ({ id, email: label }: KnownPerson): Actor => ({ ...stranger, kind: 'user', id, userId: id, label });
  const person = await recorder.during(intent, () => links.userOf(claims), async (known) => ({
    outcome: 'ok', status: 303, targetId: known.id, actor: actorOf(known), ...(known.cleared ? { after: { cleared: known.cleared } } : {}),
  }));
  if (person.cleared) authenticator.forget();
  const { correlationId, address } = intent;
  for (const workspaceId of person.joined) {
    await recorder.note({ workspaceId, actor: actorOf(person), operation: acceptInvitation.name, targetId: null, correlationId, address }, { outcome: 'ok', status: 303 });
  }
  return person;
}

function refuse(cause: unknown, request: FastifyRequest, reply: FastifyReply, { logger }: OidcDependencies): FastifyReply {
  const error = callersError(cause, request, logger);
  if (wantsJson(request.headers.accept)) return sendAnswer(reply, problemAnswer(error, request.correlationId));
  const html = page('You are not signed in', [error.message, `Request ${request.correlationId}, code ${error.code}.`]);
  return reply.headers(errorHeaders(error)).status(error.status).type('text/html; charset=utf-8').send(html);
}

/** Where to go after signing in: a path of our own and nothing else, whatever a link asks for. */
export function localPath(value: unknown, origin: string): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.length > 1_000) return '/';
  try {
    const url = new URL(value, origin);
    // Dot segments may leave two slashes at the start, which a browser takes for another host.
    return url.origin === origin && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : '/';
  } catch {
    return '/';
  }
}
