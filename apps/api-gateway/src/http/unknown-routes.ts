import { VaneError } from '@vane/contracts';
import type { FastifyInstance } from 'fastify';

type Known = { pattern: RegExp; methods: Set<string> };

/**
 * Answers whatever no other route of the scope takes: 405 with Allow (RFC 9110 section 15.5.6) where the path is known,
 * else 404. To be added before the routes it has to know.
 */
export function addUnknownRoutes(scope: FastifyInstance): void {
  const known = new Map<string, Known>();
  scope.addHook('onRoute', ({ url, method }) => {
    if (url === '/*') return;
    const entry = known.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    for (const name of [method].flat()) entry.methods.add(name);
    known.set(url, entry);
  });
  scope.all('/*', {
    exposeHeadRoute: false,
    config: { operation: 'unknown' },
    onRequest: async (request, reply) => {
      const path = request.raw.url?.split('?', 1)[0] ?? '/';
      const methods = [...known.values()].filter(({ pattern }) => pattern.test(path)).flatMap((entry) => [...entry.methods]);
      if (methods.length === 0) throw new VaneError('not_found', 'There is no such route. The routes are listed in /api/v1/openapi.json.');
      const allowed = [...new Set(methods)].sort().join(', ');
      reply.header('allow', allowed);
      throw new VaneError('method_not_allowed', `This route takes ${allowed}.`);
    },
    handler: async () => undefined,
  });
}

const patternOf = (url: string): RegExp =>
  new RegExp(`^${url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[^\w-]/g, '\\$&'))).join('/')}$`);
