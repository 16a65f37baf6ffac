/** What a caller should do with an error: give up, try the same call later, or have the connection authorised anew. */
export type Retry = 'never' | 'later' | 'reauth';

type ErrorEntry = { status: number; retry: Retry; title: string };

/**
 * Every error code Vane answers with, once: HTTP status, what the caller should do, and the title of the problem+json
 * document (RFC 9457, https://www.rfc-editor.org/rfc/rfc9457). docs/errors.md lists the same codes; a test compares them.
 */
export const ERRORS = {
  bad_request: { status: 400, retry: 'never', title: 'The request is not valid' },
  unauthenticated: { status: 401, retry: 'never', title: 'A valid API token or a session is required' },
  sign_in_refused: { status: 401, retry: 'never', title: 'E-mail or password is wrong' },
  sign_in_not_allowed: { status: 403, retry: 'never', title: 'You cannot sign in here' },
  csrf_refused: { status: 403, retry: 'never', title: 'The request does not prove that it comes from this site' },
  forbidden: { status: 403, retry: 'never', title: 'You may not do that' },
  not_found: { status: 404, retry: 'never', title: 'There is no such object in this workspace' },
  method_not_allowed: { status: 405, retry: 'never', title: 'This route does not know that method' },
  conflict: { status: 409, retry: 'never', title: 'The object was changed meanwhile, or its state does not allow this' },
  in_use: { status: 409, retry: 'never', title: 'The object is still used by others' },
  idempotency_mismatch: { status: 409, retry: 'never', title: 'This idempotency key was used for another request' },
  idempotency_in_flight: { status: 409, retry: 'later', title: 'The first request with this idempotency key is still running' },
  precondition_required: { status: 428, retry: 'never', title: 'Send If-Match with the version you have read' },
  precondition_failed: { status: 409, retry: 'never', title: 'The object was changed since you read it' },
  body_too_large: { status: 413, retry: 'never', title: 'The body is too large' },
  unsupported_media_type: { status: 415, retry: 'never', title: 'Send application/json' },
  invalid_config: { status: 422, retry: 'never', title: 'The configuration is not valid' },
  unknown_service: { status: 422, retry: 'never', title: 'No adapter for this service is installed' },
  url_not_allowed: { status: 422, retry: 'never', title: 'This URL may not be called from here' },
  rate_limited: { status: 429, retry: 'later', title: 'Too many requests' },
  internal: { status: 500, retry: 'later', title: 'Something went wrong on our side' },
  undecryptable: { status: 503, retry: 'later', title: 'What was stored cannot be decrypted with the keys that Vane has' },
  unavailable: { status: 503, retry: 'later', title: 'A part of Vane is not reachable' },
  deadline_exceeded: { status: 504, retry: 'later', title: 'The answer took too long' },
  oauth_state_invalid: { status: 400, retry: 'never', title: 'This authorisation was not started here, or was already used' },
  oauth_denied: { status: 422, retry: 'never', title: 'The service did not grant access' },
  oauth_exchange_failed: { status: 422, retry: 'never', title: 'The service refused to issue a token' },
  confirmation_required: { status: 409, retry: 'never', title: 'This would break more than you named; read what, and confirm' },
  scopes_missing: { status: 422, retry: 'reauth', title: 'The connection lacks scopes that this needs' },
  connection_auth_required: { status: 422, retry: 'reauth', title: 'The connection must be authorised again' },
  service_unauthorised: { status: 422, retry: 'reauth', title: 'The service does not accept our token any more' },
  service_forbidden: { status: 422, retry: 'never', title: 'The service refuses this to the connected account' },
  service_not_found: { status: 422, retry: 'never', title: 'The service does not know this resource' },
  service_rejected: { status: 422, retry: 'never', title: 'The service rejected the request' },
  service_unavailable: { status: 502, retry: 'later', title: 'The service cannot be reached or does not answer properly' },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** One place in the input that is wrong; `path` is dotted, e.g. `config.events.0`. */
export type ErrorField = { path: string; message: string };

export type VaneErrorOptions = {
  cause?: unknown;
  fields?: ErrorField[];
  /** Milliseconds after which the same call may succeed. */
  retryAfterMs?: number;
};

/** The one error class that crosses apps. `message` is a sentence for the person who reads it and never holds a secret. */
export class VaneError extends Error {
  override readonly name: string = 'VaneError';
  readonly fields: ErrorField[];
  readonly retryAfterMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: VaneErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.fields = options.fields ?? [];
    this.retryAfterMs = options.retryAfterMs;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}

/** The form in which an error travels over the bus. */
export type WireError = { code: ErrorCode; message: string; fields: ErrorField[]; retryAfterMs?: number };

export function toWireError(error: VaneError): WireError {
  return {
    code: error.code,
    message: error.message,
    fields: error.fields,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}

export function fromWireError(wire: WireError): VaneError {
  const code = wire.code in ERRORS ? wire.code : 'internal';
  return new VaneError(code, wire.message, { fields: wire.fields, retryAfterMs: wire.retryAfterMs });
}
