import { OPERATIONS, type CallContext, type Operation } from '@vane/contracts';
import { parseInput, type Bus, type Logger } from '@vane/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator } from '../access/authenticator.js';
import type { Authoriser } from '../access/authoriser.js';
import type { Identity } from '../access/identity.js';
import { fingerprintOf, idempotencyKeyFrom, once } from '../idempotency/once.js';
import type { IdempotencyStore } from '../idempotency/store.js';
import { callersError, sendAnswer } from './gate.js';
import { buildInput, isRest, type RequestParts, type RestOperation } from './input.js';
import { problemAnswer, type Answer } from './problem.js';

/** Where the REST API begins. */
export const API_PATH = '/api/v1';

export type RestDependencies = {
  bus: Bus;
  logger: Logger;
  authenticator: Authenticator;
  authoriser: Authoriser;
  idempotency: IdempotencyStore;
  /** Longest wait for any operation. */
  maxWaitMs: number;
};

/** Mounts one route for every operation that has one. */
export function addRestRoutes(scope: FastifyInstance, dependencies: RestDependencies): void {
  for (const operation of OPERATIONS.filter(isRest)) addRoute(scope, operation, dependencies);
}

function addRoute(scope: FastifyInstance, operation: RestOperation, dependencies: RestDependencies): void {
  const { authenticator, authoriser } = dependencies;
  scope.route({
    method: operation.http.method,
    url: API_PATH + operation.http.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { operation: operation.name },
    // Before the body is read: nobody without a right to ask makes us hold a body.
    onRequest: async (request) => {
      request.identity = await authenticator.authenticate(request.headers.authorization);
      await authoriser.authorise(request.identity, operation, (request.params as RequestParts['params'])['workspace']);
    },
    handler: async (request, reply) => sendAnswer(reply, await answerRequest(operation, request, dependencies)),
  });
}

async function answerRequest(operation: RestOperation, request: FastifyRequest, dependencies: RestDependencies): Promise<Answer> {
  const identity = request.identity!;
  const input = buildInput(operation, partsOf(request));
  parseInput(operation, input);
  const key = operation.mutates ? idempotencyKeyFrom(request.headers['idempotency-key']) : undefined;
  const ask = () => askOwner(operation, input, callFrom(request, identity, key), dependencies);
  if (key === undefined) return ask();
  const call = { actorId: identity.actorId, key, fingerprint: fingerprintOf(operation, input) };
  return once(dependencies, operation, call, () =>
    ask().catch((error: unknown) => problemAnswer(callersError(error, request, dependencies.logger), request.correlationId)),
  );
}

async function askOwner(
  operation: RestOperation,
  input: Record<string, unknown>,
  call: CallContext,
  { bus, maxWaitMs, authenticator }: RestDependencies,
): Promise<Answer> {
  const patient: Operation = { ...operation, deadlineMs: Math.min(operation.deadlineMs, maxWaitMs) };
  try {
    return success(operation, await bus.ask(patient, input, call));
  } finally {
    // Another gateway may have done it: a token revoked through this process is refused by it at once.
    if (operation.owner === 'api-gateway' && operation.mutates) authenticator.forget();
  }
}

function success({ http }: RestOperation, output: unknown): Answer {
  const version = (output as { version?: unknown } | null)?.version;
  return {
    status: typeof http.status === 'function' ? http.status(output) : (http.status ?? 200),
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(typeof version === 'number' ? { etag: `"${version}"` } : {}),
    },
    body: JSON.stringify(output),
  };
}

const partsOf = ({ params, query, body, headers }: FastifyRequest): RequestParts => ({
  params: params as RequestParts['params'],
  query: query as RequestParts['query'],
  body,
  ifMatch: headers['if-match'],
});

const callFrom = ({ correlationId }: FastifyRequest, { actorId, role, userId, label }: Identity, idempotencyKey?: string): CallContext => ({
  correlationId,
  actor: { kind: 'token', id: actorId, role, userId, label },
  ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
});
