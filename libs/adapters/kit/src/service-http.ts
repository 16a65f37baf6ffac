/** Kinds of failure at a service, told apart because each leads to another state (not to another message). */
export type ServiceErrorKind =
  | 'unauthorised'
  | 'forbidden'
  | 'not_found'
  | 'invalid'
  | 'conflict'
  | 'rate_limited'
  | 'unavailable'
  | 'garbage';

const serviceError = Symbol.for('vane.ServiceError');

/** A call to a service that did not do what was asked. `message` is a sentence with the service's own words in it. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly [serviceError] = true;

  /** Also true for one that an adapter from elsewhere made, which has loaded a kit of its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && serviceError in value;
  }

  constructor(
    readonly kind: ServiceErrorKind,
    message: string,
    /** `unsent`: the request did not leave us, so that nothing can have come of it. */
    readonly details: { status?: number; retryAfterMs?: number; cause?: unknown; unsent?: true } = {},
  ) {
    super(message, { cause: details.cause });
  }

  /** Whether the same call may succeed later without anyone doing anything. */
  get transient(): boolean {
    return this.kind === 'rate_limited' || this.kind === 'unavailable' || this.kind === 'garbage';
  }
}

/** An address in a service's profile: a named host that an integration may override, and a path below it. */
export type Endpoint = { host: string; path: string };

export type ServiceRequest = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Name of a host of the profile, and a path with leading slash. */
  host: string;
  path: string;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  /** Sent as application/json. */
  json?: unknown;
  /** Statuses beyond 2xx that the adapter handles itself. */
  accept?: number[];
};

export type ServiceResponse = {
  status: number;
  headers: Record<string, string>;
  /**
   * Parsed JSON, or undefined for an empty body. An integer that is too long for a number is the string of its digits. A 2xx
   * that is not JSON is a `garbage` ServiceError.
   */
  json: unknown;
};

/**
 * How an adapter talks to its service: authorised as the connection, guarded, with deadline and size limit. Non-2xx
 * answers become a ServiceError by status; `errorMessage` of the adapter reads the service's own sentence.
 */
export type ServiceHttp = {
  request(request: ServiceRequest): Promise<ServiceResponse>;
  /** Absolute URL of a host of the profile after overrides, without trailing slash. */
  hostUrl(host: string): string;
};
