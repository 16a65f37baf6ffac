import type { FastifyReply } from 'fastify';

export const sendPage = (reply: FastifyReply, status: number, html: string): FastifyReply =>
  reply.status(status).type('text/html; charset=utf-8').send(html);

/**
 * A page with a form. Browsers apply `form-action` to where the answer redirects too, and that is a service; and they leave
 * the Origin header of a form's POST empty under `no-referrer`.
 */
export const sendForm = (reply: FastifyReply, html: string, status = 200): FastifyReply =>
  sendPage(
    reply.headers({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self' https: http:",
      'referrer-policy': 'same-origin',
    }),
    status,
    html,
  );
