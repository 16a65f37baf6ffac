import { VaneError } from '@vane/contracts';

/**
 * How a token endpoint failed us:
 * `refused`: it said no, and will say no again until somebody changes something;
 * `rate_limited`: it asks us to slow down; `unavailable`: it has a problem, or cannot be reached;
 * `garbage`: it answered what no token endpoint answers.
 */
export type TokenFailureKind = 'refused' | 'rate_limited' | 'unavailable' | 'garbage';

type Details = {
  /** The `error` code of RFC 6749 section 5.2, where the service gave one. */
  errorCode?: string;
  /** The service may have acted on the request although we have no answer: a rotated token may be lost. */
  uncertain?: boolean;
  retryAfterMs?: number;
  cause?: unknown;
};

/** `message` is a sentence with the service's own words, and without secrets. */
export class TokenFailure extends Error {
  override readonly name = 'TokenFailure';

  constructor(
    readonly kind: TokenFailureKind,
    message: string,
    readonly details: Details = {},
  ) {
    super(message, { cause: details.cause });
  }

  /** The error for whoever waits; `advice` says what to do. */
  toVaneError(advice: string): VaneError {
    const code = this.kind === 'refused' ? 'oauth_exchange_failed' : 'service_unavailable';
    return new VaneError(code, `${this.message} ${advice}`, { cause: this.details.cause, retryAfterMs: this.details.retryAfterMs });
  }
}
