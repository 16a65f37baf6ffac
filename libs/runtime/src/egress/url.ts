import { blockedReason, parseAddress } from './addresses.js';
import { EgressBlocked, blockedAddress } from './errors.js';
import {
  allowsAddress,
  allowsName,
  hostPort,
  isHostName,
  isLocalhostName,
  withoutTrailingDot,
  type EgressPolicy,
} from './policy.js';

/** Where a URL leads: the host without brackets or trailing dot, and the port in use. */
export type EgressTarget = { readonly name: string; readonly port: number };

/** Reads host and port of an http(s) URL. */
export function targetOf(url: URL): EgressTarget {
  const name = withoutTrailingDot(url.hostname.replace(/^\[|\]$/g, ''));
  return { name, port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port) };
}

/**
 * Checks all of a URL that can be judged without DNS and returns it parsed, as it will be called.
 * Numeric hosts in any spelling (`0x7f.1`, `2130706433`, fullwidth digits) are judged in the
 * canonical form that the URL parser gives them and that is then connected to:
 * https://url.spec.whatwg.org/#host-parsing
 *
 * @throws EgressBlocked
 */
export function inspectUrl(input: string | URL, policy: EgressPolicy): URL {
  const url = parseUrl(input);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    const scheme = url.protocol.slice(0, -1);
    throw new EgressBlocked('scheme', url.host, `URLs with the scheme "${scheme}" are blocked. Use https or http.`);
  }
  const target = targetOf(url);
  const host = hostPort(target.name, target.port);
  if (url.username !== '' || url.password !== '') {
    throw new EgressBlocked('userinfo', host, 'URLs with a user name or password are blocked. Send credentials in a header.');
  }
  if (target.port === 0) throw new EgressBlocked('port', host, 'Port 0 cannot be called. Use a port from 1 to 65535.');
  inspectHost(target, url, policy);
  url.hostname = withoutTrailingDot(url.hostname);
  return url;
}

function parseUrl(input: string | URL): URL {
  if (typeof input !== 'string') return new URL(input.href);
  // Parsers differ on backslashes and drop tabs and line breaks, which hides where a URL leads.
  const authorityAndPath = input.split(/[?#]/, 1)[0]!;
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(input) || input !== input.trim() || authorityAndPath.includes('\\')) {
    throw invalidUrl('it contains a backslash, a control character or space around it');
  }
  if (/^https?:/i.test(input) && !/^https?:\/\/[^/]/i.test(input)) throw invalidUrl('write two slashes before the host');
  if (!URL.canParse(input)) throw invalidUrl('it cannot be parsed; write it like https://host/path');
  return new URL(input);
}

function invalidUrl(problem: string): EgressBlocked {
  return new EgressBlocked('invalid_url', '', `The URL is not usable: ${problem}.`);
}

function inspectHost(target: EgressTarget, url: URL, policy: EgressPolicy): void {
  const host = hostPort(target.name, target.port);
  const address = parseAddress(target.name);
  if (address === undefined && !isHostName(target.name)) {
    throw new EgressBlocked('hostname', host, `"${target.name}" is not a host name. Check the URL.`);
  }
  const allowed = address ? allowsAddress(policy, address, target.port) : allowsHost(policy, target);
  if (allowed) return;
  const reason = address ? blockedReason(address) : isLocalhostName(target.name) ? 'loopback' : undefined;
  if (reason) throw blockedAddress(reason, host);
  if (policy.requireHttps && url.protocol === 'http:') {
    throw new EgressBlocked('https_required', host, `Calls to ${host} over plain http are blocked. Use https, or an operator can allow it by adding "${host}" to VANE_EGRESS_ALLOW.`);
  }
}

/** Localhost names pass if a loopback address is allowed; the address they resolve to is still checked when connecting. */
function allowsHost(policy: EgressPolicy, { name, port }: EgressTarget): boolean {
  if (allowsName(policy, name, port)) return true;
  if (!isLocalhostName(name)) return false;
  return ['127.0.0.1', '::1'].some((loopback) => allowsAddress(policy, parseAddress(loopback)!, port));
}
