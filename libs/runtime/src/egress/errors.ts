/**
 * Why a call through the egress guard failed.
 *
 * - `egress_blocked`: the guard refused the address, the URL or a redirect; nothing was sent there.
 * - `dns_failed`: the host name has no address, or the resolver did not answer.
 * - `connect_failed`: no connection came about (refused, unreachable); the request was not sent.
 * - `tls_failed`: the TLS handshake or the certificate check failed; the request was not sent.
 * - `timeout`: the whole call took longer than its limit; the request may have been processed.
 * - `connection_lost`: the connection broke after the request was sent; it may have been processed.
 * - `response_too_large`: the decoded response body is over the limit.
 * - `bad_response`: what came back is not an HTTP response that can be read.
 * - `redirect_refused`: a redirect with `redirect: 'error'`, too many of them, or an unusable target.
 * - `invalid_request`: the caller's method, headers or limits are not sendable.
 */
export type EgressErrorCode =
  | 'egress_blocked'
  | 'dns_failed'
  | 'connect_failed'
  | 'tls_failed'
  | 'timeout'
  | 'connection_lost'
  | 'response_too_large'
  | 'bad_response'
  | 'redirect_refused'
  | 'invalid_request';

/** Why an address is not part of the public internet. */
export type BlockedAddressReason =
  | 'loopback'
  | 'private'
  | 'link_local'
  | 'metadata'
  | 'carrier_grade_nat'
  | 'multicast'
  | 'broadcast'
  | 'unspecified'
  | 'documentation'
  | 'benchmarking'
  | 'transition'
  | 'reserved';

/** Why the egress guard refused a call: a property of the URL, or of an address it leads to. */
export type EgressBlockedReason =
  | BlockedAddressReason
  | 'invalid_url'
  | 'scheme'
  | 'userinfo'
  | 'port'
  | 'hostname'
  | 'https_required'
  | 'downgrade';

/** A failed call through {@link EgressClient}. `host` is the `host:port` called, empty if the URL has none. */
export class EgressError extends Error {
  override readonly name: string = 'EgressError';

  constructor(
    readonly code: EgressErrorCode,
    readonly host: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * The guard refused a call before any connection to the refused address was made.
 * The message never contains the resolved address, so that it can be shown to a workspace
 * member without telling them about the operator's network.
 */
export class EgressBlocked extends EgressError {
  override readonly name = 'EgressBlocked';
  declare readonly code: 'egress_blocked';

  constructor(
    readonly reason: EgressBlockedReason,
    host: string,
    message: string,
  ) {
    super('egress_blocked', host, message);
  }
}

const ADDRESS_PHRASES: Record<BlockedAddressReason, string> = {
  loopback: 'a loopback address of the machine Vane runs on',
  private: 'a private network address',
  link_local: 'a link-local address',
  metadata: 'a cloud metadata address',
  carrier_grade_nat: 'a carrier-grade NAT address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  unspecified: 'the unspecified address',
  documentation: 'an address reserved for documentation',
  benchmarking: 'an address reserved for benchmarking',
  transition: 'an IPv6 transition address (NAT64, 6to4 or Teredo) that can reach a private network',
  reserved: 'a reserved address',
};

/** The refusal of a host whose address is not public. `host` is `host:port`, as it goes into the setting. */
export function blockedAddress(reason: BlockedAddressReason, host: string): EgressBlocked {
  return new EgressBlocked(
    reason,
    host,
    `Calls to ${host} are blocked: it is ${ADDRESS_PHRASES[reason]}. ` +
      `An operator can allow it by adding "${host}" to VANE_EGRESS_ALLOW.`,
  );
}
