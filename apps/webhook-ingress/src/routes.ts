import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Answer } from '@vane/kit';
import { MAX_BODY_BYTES } from './config.js';
import type { Receiver } from './receiver.js';

type HookRequest = FastifyRequest<{ Params: { key: string } }>;

/** Mounts `/hooks/{key}` for every method; the adapter says which ones its service uses. */
export function addHookRoutes(fastify: FastifyInstance, receiver: Receiver): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, parsed) => parsed(null, body));
  fastify.route<{ Params: { key: string } }>({
    method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: '/hooks/:key',
    bodyLimit: MAX_BODY_BYTES,
    exposeHeadRoute: false,
    onRequest: (request, reply, next) => {
      if (receiver.recognises(request.params.key)) return next();
      void reply.code(404).send();
    },
    errorHandler: (error, _request, reply) => {
      const status = error.statusCode ?? 500;
      receiver.unreadable(status);
      void reply.code(status).send();
    },
    handler: async (request, reply) => {
      const answer = await receiver.receive(request.params.key, {
        method: request.method,
        headers: repeatedAsArrays(request),
        query: request.query as Record<string, string>,
        body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      });
      return send(reply, answer);
    },
  });
}

/** Node joins most repeated headers with a comma; a signature that came twice must be seen as such. */
function repeatedAsArrays(request: HookRequest): Record<string, string | string[] | undefined> {
  const { headers, headersDistinct, rawHeaders } = request.raw;
  if (rawHeaders.length === 2 * Object.keys(headers).length) return headers;
  return Object.fromEntries(
    Object.entries(headersDistinct).map(([name, values]) => [name, values?.length === 1 ? values[0] : values]),
  );
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  reply.code(answer.status);
  if (answer.headers) reply.headers(answer.headers);
  if (answer.body !== undefined && !reply.hasHeader('content-type')) reply.type('text/plain; charset=utf-8');
  return reply.header('x-content-type-options', 'nosniff').send(answer.body ?? '');
}
