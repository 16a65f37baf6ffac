import { VaneError } from '@vane/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Gate } from './gate.js';

type Known = { pattern: RegExp; methods: Set<string> };

/**
 * Answers whatever no route takes: 405 with Allow (RFC 9110 section 15.5.6) where the path is known, else 404. Done by
 * hooks, because Nest sets the not-found handler. To be added before the routes it has to know.
 */
export function addUnknownRoutes(root: FastifyInstance, gate: Gate): void {
  const known = new Map<string, Known>();
  root.addHook('onRoute', ({ url, method }) => {
    const entry = known.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    for (const name of [method].flat()) entry.methods.add(name);
    known.set(url, entry);
  });
  root.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    gate.enter(request, reply);
    const path = request.raw.url?.split('?', 1)[0] ?? '/';
    const methods = [...known.values()].filter(({ pattern }) => pattern.test(path)).flatMap((entry) => [...entry.methods]);
    return gate.refuse(refusal(methods, reply), request, reply);
  });
  root.addHook('onResponse', async (request, reply) => {
    if (request.is404) gate.leave(request, reply);
  });
}

function refusal(methods: string[], reply: FastifyReply): VaneError {
  if (methods.length === 0) return new VaneError('not_found', 'There is no such route. The routes are listed in /api/v1/openapi.json.');
  const allowed = [...new Set(methods)].sort().join(', ');
  reply.header('allow', allowed);
  return new VaneError('method_not_allowed', `This route takes ${allowed}.`);
}

const patternOf = (url: string): RegExp =>
  new RegExp(`^${url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w-]/g, '\\$&'))).join('/')}$`);
