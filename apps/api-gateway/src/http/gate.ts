import { VaneError } from '@vane/contracts';
import type { Logger, Metrics } from '@vane/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../access/identity.js';
import { correlationIdFrom } from './correlation.js';
import { expectedError, faultOfOurs, problemAnswer, type Answer } from './problem.js';

declare module 'fastify' {
  interface FastifyRequest {
    correlationId: string;
    identity: Identity | null;
  }
  interface FastifyContextConfig {
    /** Name in logs and metrics: an operation's, or what the route is for. */
    operation?: string;
  }
}

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

/**
 * What all routes of the gateway have in common: correlation id, security headers, JSON bodies, problem documents, one
 * line in the log and one observation per request. URLs are logged as route patterns, never as received.
 */
export function addGate(scope: FastifyInstance, { logger, metrics, https }: GateOptions): void {
  const headers = https ? { ...HEADERS, ...STRICT_TRANSPORT } : HEADERS;
  const seconds = metrics.histogram('vane_http_request_seconds', 'Time to answer a request of the REST API', ['operation', 'status']);
  scope.decorateRequest('correlationId', '');
  scope.decorateRequest('identity', null);
  scope.addHook('onRequest', async (request, reply) => {
    request.correlationId = correlationIdFrom(request.headers['x-request-id']);
    reply.headers({ ...headers, 'x-request-id': request.correlationId });
  });
  scope.addHook('onResponse', async (request, reply) => {
    const { url: route, config } = request.routeOptions;
    const { operation = 'none' } = config;
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    seconds.observe({ operation, status: reply.statusCode }, reply.elapsedTime / 1000);
    const { method, correlationId, identity } = request;
    logger.info({ method, route, operation, status: reply.statusCode, ms, correlationId, tokenId: identity?.tokenId }, 'request answered');
  });
  scope.setErrorHandler((error, request, reply) =>
    sendAnswer(reply, problemAnswer(callersError(error, request, logger), request.correlationId)),
  );
  readJsonOnly(scope);
}

/** Sends an answer that is already serialised. */
export const sendAnswer = (reply: FastifyReply, { status, headers, body }: Answer): FastifyReply =>
  reply.status(status).headers(headers).send(body);

/** What the caller gets to know of an error. A fault of ours is logged with all there is, and stays here. */
export function callersError(error: unknown, request: FastifyRequest, logger: Logger): VaneError {
  const expected = expectedError(error);
  const { correlationId } = request;
  const { operation } = request.routeOptions.config;
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
    parse(request, body as string, (error, value) => done(error ? notJson(error) : null, value));
  });
}

const notJson = (cause: Error): VaneError =>
  new VaneError('bad_request', 'The body is not valid JSON, or has a member named __proto__.', { cause });
