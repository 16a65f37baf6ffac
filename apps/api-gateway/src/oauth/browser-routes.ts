import { finishAuthorisation, startAuthorisation, type CallContext, type ConnectionView, type Operation, type OutputOf } from '@vane/contracts';
import { parseInput, type Bus, type Logger } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { callersError, sendAnswer } from '../http/gate.js';
import { errorHeaders, problemAnswer } from '../http/problem.js';
import { clearedCookie, cookieName, readCookie, setCookie } from './cookie.js';
import { errorPage, successPage, wantsJson } from './pages.js';

export type BrowserDependencies = { bus: Bus; logger: Logger; https: boolean };

/**
 * The two hops of a browser that connects an account. They carry no API token: the ticket in the start URL, and then the
 * cookie together with the state in the callback, are the proof. Their URLs hold credentials and are never logged.
 */
export function addBrowserRoutes(scope: FastifyInstance, dependencies: BrowserDependencies): void {
  // No HEAD: a link preview would use up what works only once.
  scope.get('/oauth/start/:ticket', {
    exposeHeadRoute: false,
    config: { operation: startAuthorisation.name },
    handler: (request, reply) => answerWith(request, reply, dependencies, { ends: false, work: () => start(request, reply, dependencies) }),
  });
  scope.get('/oauth/callback', {
    exposeHeadRoute: false,
    config: { operation: finishAuthorisation.name },
    handler: (request, reply) => answerWith(request, reply, dependencies, { ends: true, work: () => finish(request, reply, dependencies) }),
  });
}

async function start(request: FastifyRequest, reply: FastifyReply, { bus, https }: BrowserDependencies): Promise<FastifyReply> {
  const { ticket } = request.params as { ticket: string };
  const { location, browserToken, maxAgeSeconds } = await ask(bus, startAuthorisation, { ticket }, request);
  const state = new URL(location).searchParams.get('state');
  if (state === null) throw new Error('An authorisation was started without a state.');
  reply.header('set-cookie', setCookie(browserToken, { state, maxAgeSeconds, https }));
  return reply.redirect(location, 302);
}

async function finish(request: FastifyRequest, reply: FastifyReply, { bus, https }: BrowserDependencies): Promise<FastifyReply> {
  const query = queryOf(request);
  const state = stateOf(request);
  const browserToken = state === null ? null : readCookie(request.headers.cookie, cookieName({ state, https }));
  const connection = await ask(bus, finishAuthorisation, { query, browserToken }, request);
  if (state !== null) reply.header('set-cookie', clearedCookie({ state, https }));
  if (wantsJson(request.headers.accept)) return reply.send({ connection: shown(connection) });
  return sendPage(reply, 200, successPage(connection));
}

/** As received, without `?`. */
const queryOf = (request: FastifyRequest): string => request.raw.url?.split('?').slice(1).join('?') ?? '';

/** Which authorisation a callback belongs to; null when it does not say. */
const stateOf = (request: FastifyRequest): string | null => new URLSearchParams(queryOf(request)).get('state');

/** Says what went wrong as a page, or as a problem document where that is asked for. */
async function answerWith(
  request: FastifyRequest,
  reply: FastifyReply,
  { logger, https }: BrowserDependencies,
  { ends, work }: { ends: boolean; work: () => Promise<FastifyReply> },
): Promise<FastifyReply> {
  try {
    return await work();
  } catch (cause) {
    const error = callersError(cause, request, logger);
    // What may work on reload still needs its cookie; a start URL that is used up must not end another authorisation.
    const state = ends && error.retry !== 'later' ? stateOf(request) : null;
    if (state !== null) reply.header('set-cookie', clearedCookie({ state, https }));
    if (wantsJson(request.headers.accept)) return sendAnswer(reply, problemAnswer(error, request.correlationId));
    return sendPage(reply.headers(errorHeaders(error)), error.status, errorPage(error, request.correlationId));
  }
}

function ask<O extends Operation>(bus: Bus, operation: O, input: z.input<O['input']>, { correlationId }: FastifyRequest): Promise<OutputOf<O>> {
  parseInput(operation, input);
  const call: CallContext = { correlationId, actor: { kind: 'anonymous', id: 'browser', role: 'operator', userId: null, label: 'browser' } };
  return bus.ask(operation, input, call);
}

const sendPage = (reply: FastifyReply, status: number, html: string): FastifyReply =>
  reply.status(status).type('text/html; charset=utf-8').send(html);

/** A browser without a token learns which account it connected, and nothing else of the workspace. */
const shown = ({ id, service, accountId, accountLabel, status }: ConnectionView) => ({ id, service, accountId, accountLabel, status });
