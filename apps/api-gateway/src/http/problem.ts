import { ERRORS, VaneError, type ErrorCode, type ErrorField } from '@vane/contracts';

/** An answer as it goes over HTTP; `body` is the serialised document. */
export type Answer = { status: number; headers: Record<string, string>; body: string };

/** A problem document (RFC 9457) with the members Vane adds. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  requestId: string;
  fields: ErrorField[];
};

/** `type` of the problem document: an identifier of the error, not an address. */
export const problemType = (code: ErrorCode): string => `urn:vane:error:${code}`;

/** The problem document of an error, with the headers that belong to it. */
export function problemAnswer(error: VaneError, requestId: string): Answer {
  const { code, message: detail, fields, status } = error;
  const problem: Problem = { type: problemType(code), title: ERRORS[code].title, status, detail, code, requestId, fields };
  return {
    status,
    headers: { 'content-type': 'application/problem+json; charset=utf-8', ...errorHeaders(error) },
    body: JSON.stringify(problem),
  };
}

/** Headers every answer to this error carries, whatever its form. */
export function errorHeaders(error: VaneError): Record<string, string> {
  return {
    ...(error.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="vane"' } : {}),
    ...(error.retryAfterMs === undefined ? {} : { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))) }),
  };
}

const FASTIFY_CODES: Record<string, [ErrorCode, string]> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body is larger than this API takes (1 MiB).'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'Send the body as JSON with "Content-Type: application/json".'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['bad_request', 'The body is not as long as its Content-Length says.'],
};

/** What an error means to the caller; undefined when it is a fault of ours that has to be logged. */
export function expectedError(error: unknown): VaneError | undefined {
  if (error instanceof VaneError) return error;
  if (!(error instanceof Error)) return undefined;
  const { code = '', statusCode = 500 } = error as Error & { code?: string; statusCode?: number };
  const known = FASTIFY_CODES[code];
  if (known) return new VaneError(known[0], known[1], { cause: error });
  if (statusCode < 400 || statusCode >= 500) return undefined;
  return new VaneError('bad_request', 'The request could not be read. Check its headers and its body.', { cause: error });
}

export const faultOfOurs = (requestId: string, cause: unknown): VaneError =>
  new VaneError('internal', `This did not work because of a fault on our side. Quote ${requestId} when you report it.`, { cause });
