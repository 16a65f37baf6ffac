import {
  attributeAuthorisation, confirmAuthorisation, describeAuthorisation, discardAuthorisation, finishAuthorisation, getConnection, ID_KINDS, maskOutput, startAuthorisation, systemCall,
  VaneError,
  type Actor, type CallContext, type ConnectionView, type GrantFinding, type Operation, type OutputOf,
} from '@vane/contracts';
import { parseInput, type Bus, type Logger } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Presented } from '../access/authenticator.js';
import type { Identity } from '../access/identity.js';
import type { Recorder } from '../audit/recorder.js';
import { callersError, sendAnswer } from '../http/gate.js';
import { errorHeaders, problemAnswer } from '../http/problem.js';
import { clearedCookie, cookieName, readCookie, setCookie } from './cookie.js';
import { fieldOf, readForms, requireOwnPage } from './forms.js';
import { differencePage, discardedPage, errorPage, startPage, successPage, wantsJson } from './pages.js';
import { sendForm, sendPage } from './replies.js';

/**
 * `origin`: of the gateway as browsers see it. `identify` tells who is signed in in the browser; null when nobody is.
 * `mayConnect`: whether somebody could start to connect an account in a workspace at this moment.
 */
export type BrowserDependencies = {
  bus: Bus; logger: Logger; recorder: Recorder; https: boolean; origin: string; identify: (request: Presented) => Promise<Identity | null>;
  mayConnect: (actor: Actor, workspaceId: string) => Promise<boolean>;
};

type Exchange = { request: FastifyRequest; reply: FastifyReply };
type Work = (exchange: Exchange, dependencies: BrowserDependencies) => Promise<FastifyReply>;
/** Longest wait for a view that is only wanted for the record. */
const READ_MS = 5_000;
/** Which authorisation a request belongs to; null when it does not say. */
type StateOf = (request: FastifyRequest) => string | null;

/**
 * The hops of a browser that connects an account. They carry no API token: the ticket in the start URL, and then the cookie
 * together with the state, are the proof. Their URLs hold credentials and are never logged. A start URL does nothing before
 * a person has seen who asks for what and pressed the button, or is signed in as who asked: else a link could attach the account of whoever follows it to
 * a stranger's workspace (https://www.rfc-editor.org/rfc/rfc9700#section-4.7).
 */
export async function addBrowserRoutes(parent: FastifyInstance, dependencies: BrowserDependencies): Promise<void> {
  await parent.register(async (scope) => {
    readForms(scope);
    // No HEAD: a callback that a link preview opened would use up what works only once.
    const route = (method: 'GET' | 'POST', url: string, operation: Operation, work: Work, stateOf: StateOf = () => null) =>
      scope.route({
        method, url, exposeHeadRoute: false, config: { operation: operation.name },
        handler: (request, reply) => answerWith({ request, reply }, dependencies, work, stateOf),
      });
    route('GET', '/oauth/start/:ticket', describeAuthorisation, describe);
    route('POST', '/oauth/start/:ticket', startAuthorisation, start);
    route('GET', '/oauth/callback', finishAuthorisation, finish, stateInQuery);
    route('POST', '/oauth/confirm', confirmAuthorisation, confirm, stateInBody);
    route('POST', '/oauth/discard', discardAuthorisation, discard, stateInBody);
  });
}

const describe: Work = async ({ request, reply }, dependencies) => {
  const { ticket } = request.params as { ticket: string };
  const asked = await ask(dependencies.bus, describeAuthorisation, { ticket }, request);
  const { actorId, ...shownToAnyone } = asked;
  if (wantsJson(request.headers.accept)) return reply.send(shownToAnyone);
  // Whoever asked needs not be asked. A browser that only looks ahead must not use up what works once.
  const looksAhead = request.headers['sec-purpose'] !== undefined;
  if (!looksAhead && (await dependencies.identify(request))?.actorId === actorId) return bind({ request, reply }, dependencies);
  return sendForm(reply, startPage(asked, ticket));
};

const start: Work = async (exchange, dependencies) => {
  requireOwnPage(exchange.request, dependencies.origin);
  return bind(exchange, dependencies);
};

/** Uses the ticket up: from here on the authorisation belongs to this browser. */
const bind: Work = async ({ request, reply }, { bus, https }) => {
  const { ticket } = request.params as { ticket: string };
  const { location, browserToken, maxAgeSeconds } = await ask(bus, startAuthorisation, { ticket }, request);
  const state = new URL(location).searchParams.get('state');
  if (state === null) throw new Error('An authorisation was started without a state.');
  reply.header('set-cookie', setCookie(browserToken, { state, maxAgeSeconds, https }));
  return reply.redirect(location, 303);
};

const finish: Work = async ({ request, reply }, dependencies) => {
  const { https } = dependencies;
  const state = stateInQuery(request);
  const browserToken = browserTokenOf(request, state, https);
  const answer = await recorded(finishAuthorisation, { query: queryOf(request), browserToken }, { request, state }, dependencies);
  if (answer.outcome === 'connected') return sendConnected({ request, reply }, answer.connection, state, https);
  // The browser needs its cookie again to decide.
  const { maxAgeSeconds, connection, findings } = answer;
  reply.header('set-cookie', setCookie(browserToken!, { state: state!, maxAgeSeconds, https }));
  if (!wantsJson(request.headers.accept)) return sendForm(reply, differencePage(connection, findings, state!));
  return sendAnswer(reply, problemAnswer(undecided(findings), request.correlationId));
};

const confirm: Work = async ({ request, reply }, dependencies) => {
  const { https, origin } = dependencies;
  requireOwnPage(request, origin);
  const state = stateInBody(request);
  const browserToken = browserTokenOf(request, state, https);
  const connection = await recorded(confirmAuthorisation, { state: state ?? '', browserToken }, { request, state }, dependencies);
  return sendConnected({ request, reply }, connection, state, https);
};

const discard: Work = async ({ request, reply }, dependencies) => {
  const { https, origin } = dependencies;
  requireOwnPage(request, origin);
  const state = stateInBody(request);
  const done = await recorded(discardAuthorisation, { state: state ?? '', browserToken: browserTokenOf(request, state, https) }, { request, state }, dependencies);
  reply.header('set-cookie', clearedCookie({ state: state!, https }));
  return wantsJson(request.headers.accept) ? reply.send(done) : sendPage(reply, 200, discardedPage());
};

function sendConnected({ request, reply }: Exchange, connection: ConnectionView, state: string | null, https: boolean): FastifyReply {
  if (state !== null) reply.header('set-cookie', clearedCookie({ state, https }));
  return wantsJson(request.headers.accept) ? reply.send({ connection: shown(connection) }) : sendPage(reply, 200, successPage(connection));
}

const undecided = (findings: GrantFinding[]): VaneError =>
  new VaneError(
    'confirmation_required',
    'Nothing has changed yet. POST {"state"} with this browser\'s cookie to /oauth/confirm to take the new grant, or to /oauth/discard, within ten minutes.',
    { fields: findings.map(({ kind, message }) => ({ path: kind, message })) },
  );

/** As received, without `?`. */
const queryOf = (request: FastifyRequest): string => request.raw.url?.split('?').slice(1).join('?') ?? '';

const stateInQuery: StateOf = (request) => new URLSearchParams(queryOf(request)).get('state');
const stateInBody: StateOf = (request) => fieldOf(request, 'state') || null;

const browserTokenOf = ({ headers }: FastifyRequest, state: string | null, https: boolean): string | null =>
  state === null ? null : readCookie(headers.cookie, cookieName({ state, https }));

/** Says what went wrong as a page, or as a problem document where that is asked for. */
async function answerWith({ request, reply }: Exchange, dependencies: BrowserDependencies, work: Work, stateOf: StateOf): Promise<FastifyReply> {
  const { logger, https } = dependencies;
  try {
    return await work({ request, reply }, dependencies);
  } catch (cause) {
    const error = callersError(cause, request, logger);
    // What may work on another try still needs its cookie; a start URL that is used up must not end another authorisation.
    const state = error.retry !== 'later' && error.code !== 'csrf_refused' ? stateOf(request) : null;
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

/**
 * Asks what changes a connection, with an entry in the audit trail for whoever asked for the authorisation. Throws
 * `forbidden` when that one could not ask for it any more: rights may have been taken away on the way.
 */
async function recorded<O extends Operation>(
  operation: O,
  input: z.input<O['input']>,
  { request, state }: { request: FastifyRequest; state: string | null },
  { bus, recorder, mayConnect }: BrowserDependencies,
): Promise<OutputOf<O>> {
  const make = () => ask(bus, operation, input, request);
  const known = attributeAuthorisation.input.safeParse({ state });
  const asker = known.success ? await ask(bus, attributeAuthorisation, known.data, request) : null;
  // Of what nobody here asked for the owner makes nothing.
  if (asker === null) return make();
  const { workspaceId, actorId: id, actorLabel: label, connectionId: targetId } = asker;
  const person = id.startsWith(`${ID_KINDS.user}_`);
  const actor: Actor = { kind: person ? 'user' : 'token', id, role: 'operator', userId: person ? id : null, label };
  const before = targetId === null ? null : await connectionAsItIs(bus, { workspace: workspaceId, connection: targetId }, request);
  return recorder.recordOf(operation, { workspaceId, actor, targetId, before, correlationId: request.correlationId, address: request.ip }, async () => {
    // To leave everything as it is takes no right.
    if (operation.name === discardAuthorisation.name || (await mayConnect(actor, workspaceId))) return make();
    throw new VaneError('forbidden', `${label} may not connect accounts in this workspace any more. Ask somebody who may to connect the account.`);
  });
}

/** For the record alone, so null when it cannot be read. */
async function connectionAsItIs(bus: Bus, input: { workspace: string; connection: string }, { correlationId }: FastifyRequest): Promise<unknown> {
  try {
    const patient: Operation = { ...(getConnection as Operation), deadlineMs: READ_MS };
    return maskOutput(patient, await bus.ask(patient, input, systemCall('api-gateway', correlationId)));
  } catch (error) {
    if (error instanceof VaneError) return null;
    throw error;
  }
}

/** A browser without a token learns which account it connected, and nothing else of the workspace. */
const shown = ({ id, service, accountId, accountLabel, status }: ConnectionView) => ({ id, service, accountId, accountLabel, status });
