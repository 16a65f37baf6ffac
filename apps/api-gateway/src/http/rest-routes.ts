import { OPERATIONS, takesIdempotencyKey, VaneError, type Actor, type CallContext, type Operation } from '@vane/contracts';
import { parseInput, type Bus, type Logger } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Authenticator } from '../access/authenticator.js';
import type { Authoriser } from '../access/authoriser.js';
import type { GuessLimits } from '../access/guess-limits.js';
import { actorOf, ANONYMOUS, type Identity } from '../access/identity.js';
import type { SessionCookie } from '../access/session-cookie.js';
import type { Mutation, Recorder } from '../audit/recorder.js';
import { idempotencyKeyFrom, once } from '../idempotency/once.js';
import type { IdempotencyStore } from '../idempotency/store.js';
import { csvOf, csvSource } from './csv.js';
import { callersError, sendAnswer } from './gate.js';
import { buildInput, isRest, type RequestParts, type RestOperation } from './input.js';
import { problemAnswer, type Answer } from './problem.js';
import { success } from './success.js';

/** Where the REST API begins. */
export const API_PATH = '/api/v1';

export type RestDependencies = {
  bus: Bus;
  logger: Logger;
  authenticator: Authenticator;
  authoriser: Authoriser;
  cookie: SessionCookie;
  guesses: GuessLimits;
  idempotency: IdempotencyStore;
  recorder: Recorder;
  /** Longest wait for any operation. */
  maxWaitMs: number;
};

/** Mounts one route for every operation that has one. */
export function addRestRoutes(scope: FastifyInstance, dependencies: RestDependencies): void {
  for (const operation of OPERATIONS.filter(isRest)) addRoute(scope, operation, dependencies);
}

function addRoute(scope: FastifyInstance, operation: RestOperation, dependencies: RestDependencies): void {
  const list = csvSource(operation);
  scope.route({
    method: operation.http.method,
    url: API_PATH + operation.http.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { operation: operation.name },
    // Before the body is read: nobody without a right to ask makes us hold a body.
    onRequest: async (request) => {
      request.actor = await admit(operation, request, dependencies);
    },
    handler: list
      ? (request, reply) => sendCsv(operation, list, { request, reply }, dependencies)
      : async (request, reply) => sendAnswer(reply, await answerRequest(operation, request, dependencies)),
  });
}

/** Who asks, once it is clear that they may. */
async function admit(operation: RestOperation, request: FastifyRequest, dependencies: RestDependencies): Promise<Actor> {
  const { authenticator } = dependencies;
  const identity = operation.access === 'public' ? await authenticator.identify(request) : await authenticator.authenticate(request);
  return identity ? admitAs(identity, operation, request, dependencies) : ANONYMOUS;
}

/** Somebody who is known, once it is clear that they may; that they may not is recorded where they wanted to change something. */
export async function admitAs(identity: Identity, operation: RestOperation, request: FastifyRequest, dependencies: RestDependencies): Promise<Actor> {
  try {
    return await dependencies.authoriser.authorise(identity, operation, (request.params as RequestParts['params'])['workspace']);
  } catch (error) {
    if (operation.mutates && error instanceof VaneError && error.code === 'forbidden') await recordRefusal(operation, request, identity, error, dependencies);
    throw error;
  }
}

function recordRefusal(operation: RestOperation, request: FastifyRequest, identity: Identity, error: VaneError, { recorder }: RestDependencies): Promise<void> {
  const input = request.params as Record<string, unknown>;
  return recorder.refused({ operation, input, call: callFrom(request, actorOf(identity, ANONYMOUS.role)), address: request.ip }, error);
}

async function sendCsv(
  operation: RestOperation,
  list: Operation,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { bus }: RestDependencies,
): Promise<FastifyReply> {
  const input = buildInput(operation, partsOf(request));
  parseInput(operation, input);
  const csv = await csvOf(bus, list, input, callFrom(request, request.actor!));
  const [name] = operation.name.split('.');
  return reply.type('text/csv; charset=utf-8').header('content-disposition', `attachment; filename="${name}.csv"`).send(csv);
}

async function answerRequest(operation: RestOperation, request: FastifyRequest, dependencies: RestDependencies): Promise<Answer> {
  const actor = request.actor!;
  const input = buildInput(operation, partsOf(request));
  parseInput(operation, input);
  const key = takesIdempotencyKey(operation) ? idempotencyKeyFrom(request.headers['idempotency-key']) : undefined;
  const mutation = { operation, input, call: callFrom(request, actor, key), address: request.ip, maxWaitMs: dependencies.maxWaitMs };
  const ask = () => perform(mutation, dependencies);
  if (key === undefined) return ask();
  const call = { actorId: actor.id, key, fingerprint: await dependencies.idempotency.fingerprint(operation, input) };
  return once(dependencies, operation, call, () =>
    ask().catch((error: unknown) => problemAnswer(callersError(error, request, dependencies.logger), request.correlationId)),
  );
}

/** Asks the owner of an operation, within the limits for guesses and with an entry in the audit trail for a mutation. */
export const perform = (asked: Mutation, dependencies: RestDependencies): Promise<Answer> => countGuess(asked, dependencies, () => askOwner(asked, dependencies));

async function askOwner(asked: Mutation, { bus, authenticator, recorder, cookie }: RestDependencies): Promise<Answer> {
  const { operation, input, call, maxWaitMs } = asked;
  const patient: Operation = { ...operation, deadlineMs: Math.min(operation.deadlineMs, maxWaitMs) };
  try {
    const ask = () => bus.ask(patient, input, call);
    return success(operation, await (operation.mutates ? recorder.record(asked, ask) : ask()), cookie);
  } finally {
    // Another gateway may have done it: a token revoked through this process is refused by it at once.
    if (operation.owner === 'api-gateway' && operation.mutates) authenticator.forget();
  }
}

/** Does what may be a guess at a password or at a one-time link, unless there were too many. */
function countGuess({ operation, input, call, address }: Mutation, { guesses }: RestDependencies, ask: () => Promise<Answer>): Promise<Answer> {
  const about = operation.http.guesses;
  if (about === undefined) return operation.access === 'public' && operation.mutates ? guesses.count(address, undefined, ask) : ask();
  return guesses.count(address, about === 'self' ? call.actor.id : String(input[about]).trim().toLowerCase(), ask);
}

const partsOf = ({ params, query, body, headers }: FastifyRequest): RequestParts => ({
  params: params as RequestParts['params'],
  query: query as RequestParts['query'],
  body,
  ifMatch: headers['if-match'],
  userAgent: headers['user-agent'],
});

const callFrom = ({ correlationId }: FastifyRequest, actor: Actor, idempotencyKey?: string): CallContext => ({
  correlationId,
  actor,
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
});
