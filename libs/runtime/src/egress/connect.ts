import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { rootCertificates } from 'node:tls';
import { buildConnector } from 'undici';
import { EgressError } from './errors.js';
import { connectableAddresses, hostPort, type EgressPolicy } from './policy.js';
import { targetOf, type EgressTarget } from './url.js';

/** What a guarded connector needs: `ca` are PEM certificates trusted beside the public ones. */
export type ConnectorOptions = {
  readonly policy: EgressPolicy;
  readonly lookup?: LookupFunction;
  readonly ca?: readonly string[];
};

const CONNECT_TIMEOUT_MS = 10_000;

/** Node's default of 250 ms gives up on distant hosts that also have an unreachable IPv6 address. */
const NEXT_ADDRESS_AFTER_MS = 1_000;

/** Errors of connect(2); with https, everything else that goes wrong before the first byte is TLS. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ETIMEDOUT',
  'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EINVAL', 'EMFILE', 'ENFILE',
]);

/**
 * Makes the connector of one origin. It resolves the name itself, judges the addresses, and hands
 * only the judged ones to the socket, so the address checked is the address connected to.
 */
export function guardedConnector(origin: URL, options: ConnectorOptions): buildConnector.connector {
  const target = targetOf(origin);
  const connect = buildConnector({
    lookup: guardedLookup(target, options),
    timeout: CONNECT_TIMEOUT_MS,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
    allowH2: false,
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED in the environment cannot switch it off.
    rejectUnauthorized: true,
    ...(options.ca && options.ca.length > 0 ? { ca: [...rootCertificates, ...options.ca] } : {}),
  });
  return (request, callback) => {
    try {
      // The socket does not look up a literal address, so the guarded lookup would not see it.
      if (isIP(request.hostname) !== 0) connectableAddresses(options.policy, target, [request.hostname]);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    connect(request, (...[error, socket]) => {
      if (error) return callback(connectError(error, target, request.protocol), null);
      const refusal = judgePeer(socket.remoteAddress, target, options.policy);
      if (refusal) {
        socket.destroy();
        return callback(refusal, null);
      }
      callback(null, socket);
    });
  };
}

/** Judges the connected peer once more: whatever path led here, nothing is sent to an address that was not checked. */
function judgePeer(address: string | undefined, target: EgressTarget, policy: EgressPolicy): EgressError | undefined {
  const host = hostPort(target.name, target.port);
  if (address === undefined) return new EgressError('connect_failed', host, `${host} closed the connection at once.`);
  try {
    connectableAddresses(policy, target, [address]);
    return undefined;
  } catch (refusal) {
    return refusal as EgressError;
  }
}

function guardedLookup(target: EgressTarget, options: ConnectorOptions): LookupFunction {
  const resolve = options.lookup ?? (systemLookup as LookupFunction);
  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, found, family) => {
      if (error) return callback(dnsError(target, error), []);
      const all: LookupAddress[] = Array.isArray(found) ? found : [{ address: found, family: family ?? isIP(found) }];
      if (all.length === 0) return callback(dnsError(target), []);
      try {
        const usable = new Set(connectableAddresses(options.policy, target, all.map(({ address }) => address)));
        answer(all.filter(({ address }) => usable.has(address)));
      } catch (blocked) {
        callback(blocked as NodeJS.ErrnoException, []);
      }
    });
    function answer(addresses: LookupAddress[]): void {
      if (lookupOptions.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    }
  };
}

function dnsError({ name, port }: EgressTarget, cause?: NodeJS.ErrnoException): EgressError {
  const why = cause?.code === 'EAI_AGAIN' ? 'the resolver did not answer' : 'it has no address';
  return new EgressError('dns_failed', hostPort(name, port), `The host name "${name}" could not be resolved: ${why}.`, { cause });
}

function connectError(error: Error, { name, port }: EgressTarget, protocol: string): EgressError {
  if (error instanceof EgressError) return error;
  const host = hostPort(name, port);
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new EgressError('timeout', host, `${host} did not accept a connection in time.`, { cause: error });
  }
  if (protocol === 'https:' && !NETWORK_CODES.has(code)) {
    const message = `The TLS connection to ${host} failed (${code}). Check its certificate and that the port speaks https.`;
    return new EgressError('tls_failed', host, message, { cause: error });
  }
  return new EgressError('connect_failed', host, `${host} could not be connected to (${code}).`, { cause: error });
}

