import { VaneError, type Actor } from '@vane/contracts';
import type { Logger, Metrics } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { correlationIdFrom } from './correlation.js';
import { expectedError, faultOfOurs, problemAnswer, type Answer } from './problem.js';

/* eslint-disable @typescript-eslint/consistent-type-definitions -- only an interface merges with Fastify's own */
declare module 'fastify' {
  interface FastifyRequest {
    correlationId: string;
    /** Null until it is clear who asks. */
    actor: Actor | null;
  }
  interface FastifyContextConfig {
    /** Name in logs and metrics: an operation's, or what the route is for. */
    operation?: string;
  }
}
/* eslint-enable @typescript-eslint/consistent-type-definitions */

/** Nothing here is a page, may be framed, sniffed, cached or read by a page of another origin. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const STRICT_TRANSPORT = { 'strict-transport-security': 'max-age=31536000' };

export type GateOptions = { logger: Logger; metrics: Metrics; https: boolean };

/** What is done for every request, before its route and after its answer. */
export type Gate = {
  enter(request: FastifyRequest, reply: FastifyReply): void;
  leave(request: FastifyRequest, reply: FastifyReply): void;
  /** Answers with the problem document of an error. */
  refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply;
};

/** Correlation id and security headers; one line in the log and one observation. URLs are logged as route patterns only. */
export function createGate(root: FastifyInstance, { logger, metrics, https }: GateOptions): Gate {
  const headers = https ? { ...HEADERS, ...STRICT_TRANSPORT } : HEADERS;
  const seconds = metrics.histogram('vane_http_request_seconds', 'Time to answer a request of the REST API', ['operation', 'status']);
  root.decorateRequest('correlationId', '');
  root.decorateRequest('actor', null);
  return {
    enter(request, reply) {
      request.correlationId = correlationIdFrom(request.headers['x-request-id']);
      reply.headers({ ...headers, 'x-request-id': request.correlationId });
    },
    leave(request, reply) {
      const { url: route = 'unknown', config } = request.routeOptions;
      const operation = config?.operation ?? 'unknown';
      const ms = Math.round(reply.elapsedTime * 10) / 10;
      seconds.observe({ operation, status: reply.statusCode }, reply.elapsedTime / 1000);
      const { method, correlationId, actor } = request;
      logger.info({ method, route, operation, status: reply.statusCode, ms, correlationId, actorId: actor?.id }, 'request answered');
    },
    refuse: (error, request, reply) =>
      sendAnswer(reply, problemAnswer(callersError(error, request, logger), request.correlationId)),
  };
}

/** Puts all routes of a scope behind the gate: JSON bodies only, problem documents for whatever fails. */
export function addGate(scope: FastifyInstance, gate: Gate): void {
  scope.addHook('onRequest', async (request, reply) => gate.enter(request, reply));
  scope.addHook('onResponse', async (request, reply) => gate.leave(request, reply));
  scope.setErrorHandler((error, request, reply) => gate.refuse(error, request, reply));
  readJsonOnly(scope);
}

/** Sends an answer that is already serialised. */
export const sendAnswer = (reply: FastifyReply, { status, headers, body }: Answer): FastifyReply =>
  reply.status(status).headers(headers).send(body);

/** What the caller gets to know of an error. A fault of ours is logged with all there is, and stays here. */
export function callersError(error: unknown, request: FastifyRequest, logger: Logger): VaneError {
  const expected = expectedError(error);
  const { correlationId } = request;
  const operation = request.routeOptions.config?.operation;
  if (!expected) logger.error({ err: error, correlationId, operation }, 'request failed unexpectedly');
  else if (expected.status >= 500) logger.warn({ err: expected, correlationId, operation }, 'request failed');
  return expected ?? faultOfOurs(correlationId, error);
}

function readJsonOnly(scope: FastifyInstance): void {
  const parse = scope.getDefaultJsonParser('error', 'error');
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // An empty body says the same as none; what is missing in it is for the contract to say.
    if (body === '') return done(null, undefined);
    void parse(request, body as string, (error, value) => done(error ? notJson(error) : null, value));
  });
}

const notJson = (cause: Error): VaneError =>
  new VaneError('bad_request', 'The body is not valid JSON, or has a member named __proto__.', { cause });
