import { getConnection, reconnectConnection, signIn, VaneError, type ConnectionView } from '@vane/contracts';
import { parseInput } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { CSRF_HEADER, csrfTokenOf } from '../access/csrf.js';
import { ANONYMOUS } from '../access/identity.js';
import { hashToken } from '../access/token.js';
import { callersError, sendAnswer } from '../http/gate.js';
import type { RestOperation } from '../http/input.js';
import { errorHeaders, problemAnswer, type Answer } from '../http/problem.js';
import { admitAs, perform, type RestDependencies } from '../http/rest-routes.js';
import { OIDC_START } from '../oidc/routes.js';
import { connectionPage, refusalPage, signInPage } from './connection-pages.js';
import { fieldOf, readForms, requireOwnPage } from './forms.js';
import { wantsJson } from './pages.js';
import { sendForm, sendPage } from './replies.js';

/** `apiUrl`: of the gateway as browsers see it. `oidc`: what the link to the operator's identity provider says; null for none. */
export type ConnectionPageDependencies = { rest: RestDependencies; apiUrl: string; oidc: { label: string } | null };

type Work = (request: FastifyRequest, reply: FastifyReply, dependencies: ConnectionPageDependencies) => Promise<FastifyReply>;

/**
 * The page that a notice about a connection links to, without script: what the connection is, and a button that authorises it
 * anew. What it does is what the REST routes do, under the same rules, limits and records; the CSRF token is in its form.
 */
export async function addConnectionRoutes(parent: FastifyInstance, dependencies: ConnectionPageDependencies): Promise<void> {
  await parent.register(async (scope) => {
    readForms(scope);
    const route = (method: 'GET' | 'POST', url: string, operation: string, work: Work) =>
      scope.route({
        method, url, exposeHeadRoute: false, config: { operation },
        handler: (request, reply) => work(request, reply, dependencies).catch((error: unknown) => refuse(error, request, reply, dependencies)),
      });
    const path = '/workspaces/:workspace/connections/:connection';
    route('GET', path, getConnection.name, show);
    route('POST', path, reconnectConnection.name, reconnect);
    route('POST', `${path}/sign-in`, signIn.name, enter);
  });
}

const show: Work = async (request, reply, dependencies) => {
  const { authenticator, cookie } = dependencies.rest;
  const identity = await authenticator.identify(request);
  if (!identity) return askWho(request, reply, dependencies);
  const actor = await admitAs(identity, getConnection as RestOperation, request, dependencies.rest);
  const input = inputOf(request);
  parseInput(getConnection, input);
  const connection: ConnectionView = await dependencies.rest.bus.ask(getConnection, input, { correlationId: request.correlationId, actor });
  const csrf = csrfTokenOf(hashToken(cookie.read(request.headers.cookie)!));
  return sendForm(reply, connectionPage(connection, { url: urlOf(request, dependencies), csrf }));
};

const reconnect: Work = async (request, reply, dependencies) => {
  requireOwnPage(request, dependencies.rest.cookie.origin);
  // A form can set no header. Only the session counts here, and never without its CSRF token.
  const headers = { ...request.headers, authorization: undefined, [CSRF_HEADER]: fieldOf(request, 'csrf') };
  const identity = await dependencies.rest.authenticator.authenticate({ method: request.method, headers });
  const operation = reconnectConnection as RestOperation;
  const actor = await admitAs(identity, operation, request, dependencies.rest);
  const { body } = await performed(operation, inputOf(request), actor, request, dependencies);
  return reply.redirect((JSON.parse(body) as { url: string }).url, 303);
};

const enter: Work = async (request, reply, dependencies) => {
  requireOwnPage(request, dependencies.rest.cookie.origin);
  const input = { email: fieldOf(request, 'email'), password: fieldOf(request, 'password'), userAgent: request.headers['user-agent'] ?? '' };
  try {
    const { headers } = await performed(signIn as RestOperation, input, ANONYMOUS, request, dependencies);
    return reply.header('set-cookie', headers['set-cookie']).redirect(urlOf(request, dependencies), 303);
  } catch (cause) {
    const error = callersError(cause, request, dependencies.rest.logger);
    return askWho(request, reply, dependencies, error);
  }
};

function performed(
  operation: RestOperation,
  input: Record<string, unknown>,
  actor: typeof ANONYMOUS,
  { correlationId, ip: address }: FastifyRequest,
  { rest }: ConnectionPageDependencies,
): Promise<Answer> {
  parseInput(operation, input);
  return perform({ operation, input, call: { correlationId, actor }, address, maxWaitMs: rest.maxWaitMs }, rest);
}

function askWho(request: FastifyRequest, reply: FastifyReply, dependencies: ConnectionPageDependencies, error?: VaneError): FastifyReply {
  if (wantsJson(request.headers.accept)) throw error ?? new VaneError('unauthenticated', 'Sign in in the browser, or ask the API with a token.');
  const url = urlOf(request, dependencies);
  const { oidc } = dependencies;
  const link = oidc && { label: oidc.label, url: `${dependencies.rest.cookie.origin}${OIDC_START}?returnTo=${encodeURIComponent(new URL(url).pathname)}` };
  if (error) reply.headers(errorHeaders(error));
  return sendForm(reply, signInPage({ url: `${url}/sign-in`, oidc: link, problem: error?.message ?? null }), error?.status ?? 200);
}

function refuse(cause: unknown, request: FastifyRequest, reply: FastifyReply, { rest }: ConnectionPageDependencies): FastifyReply {
  const error = callersError(cause, request, rest.logger);
  if (wantsJson(request.headers.accept)) return sendAnswer(reply, problemAnswer(error, request.correlationId));
  return sendPage(reply.headers(errorHeaders(error)), error.status, refusalPage(error, request.correlationId));
}

function inputOf({ params }: FastifyRequest): { workspace: string; connection: string } {
  const { workspace, connection } = params as { workspace: string; connection: string };
  return { workspace, connection };
}

/** Of this page, whatever the request says it wants: nothing leads elsewhere. */
function urlOf(request: FastifyRequest, { apiUrl }: ConnectionPageDependencies): string {
  const { workspace, connection } = inputOf(request);
  return `${apiUrl.replace(/\/+$/, '')}/workspaces/${encodeURIComponent(workspace)}/connections/${encodeURIComponent(connection)}`;
}
