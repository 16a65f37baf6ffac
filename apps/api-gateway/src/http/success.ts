import type { SessionCookie } from '../access/session-cookie.js';
import { statusOf, type RestOperation } from './input.js';
import type { Answer } from './problem.js';

/** The answer to a call that succeeded. The token of a session leaves in its cookie and never in the body. */
export function success(operation: RestOperation, output: unknown, cookie: SessionCookie): Answer {
  const { version, sessionToken, ...rest } = (output ?? {}) as { version?: unknown; sessionToken?: string | null };
  const { session } = operation.http;
  const setCookie = session === 'closes' ? cookie.clear() : session === 'opens' && sessionToken ? cookie.set(sessionToken) : undefined;
  return {
    status: statusOf(operation, output),
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(typeof version === 'number' ? { etag: `"${version}"` } : {}),
      ...(setCookie === undefined ? {} : { 'set-cookie': setCookie }),
    },
    body: JSON.stringify(session === 'opens' ? rest : output),
  };
}
