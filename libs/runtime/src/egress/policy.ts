import { domainToASCII } from 'node:url';
import ipaddr from 'ipaddr.js';
import { blockedReason, parseAddress, type IpAddress } from './addresses.js';
import { blockedAddress } from './errors.js';

/**
 * One thing the operator allows although it is not public. Without `port`, every port.
 * `name` is an exact host name, `suffix` (with its leading dot) any name below it: both allow the
 * name whatever it resolves to. `network` allows the addresses themselves, under any name.
 */
export type EgressAllow = { readonly port?: number } & (
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'suffix'; readonly suffix: string }
  | { readonly kind: 'network'; readonly network: readonly [IpAddress, number] }
);

/**
 * What may be called. With `requireHttps`, plain http is refused except to a target that an
 * `allow` entry names (by name, or by address where the URL has an address).
 */
export type EgressPolicy = { readonly allow: readonly EgressAllow[]; readonly requireHttps?: boolean };

/**
 * Reads the setting VANE_EGRESS_ALLOW: a comma-separated list of host names (`nextcloud.lan`,
 * `*.corp.example`), addresses (`10.1.2.3`, `[fd00::1]`) and networks (`10.0.0.0/8`, `fd00::/8`),
 * each with an optional port (`127.0.0.1:4000`, `[fd00::/8]:443`, `*.corp.example:8443`).
 *
 * @throws Error naming the entry and what is wrong with it.
 */
export function parseEgressAllow(list: string): EgressAllow[] {
  return list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseEntry);
}

function parseEntry(entry: string): EgressAllow {
  if (entry.includes('://')) throw badEntry(entry, 'give the host and port only, not a URL');
  const { host, port } = splitPort(entry);
  const limits = port === undefined ? {} : { port };
  if (host.includes('/')) return { kind: 'network', network: parseNetwork(entry, host), ...limits };
  const address = parseAddress(host);
  if (address) return { kind: 'network', network: [address, address.kind() === 'ipv4' ? 32 : 128], ...limits };
  if (host.startsWith('*.')) return { kind: 'suffix', suffix: `.${parseName(entry, host.slice(2))}`, ...limits };
  return { kind: 'name', name: parseName(entry, host), ...limits };
}

function splitPort(entry: string): { host: string; port?: number } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(entry);
  if (bracketed?.[1]?.includes(':')) return { host: bracketed[1], ...portOf(entry, bracketed[2]) };
  if (/[[\]]/.test(entry)) throw badEntry(entry, 'brackets go around an IPv6 address or network, as in [::1]:4000');
  // More than one colon and no brackets: an IPv6 address or network, which then has no port.
  const parts = entry.split(':');
  if (parts.length > 2) return { host: entry };
  return { host: parts[0]!, ...portOf(entry, parts[1]) };
}

function portOf(entry: string, text: string | undefined): { port?: number } {
  if (text === undefined) return {};
  const port = Number(text);
  if (!/^[1-9]\d{0,4}$/.test(text) || port > 65_535) throw badEntry(entry, 'the port must be a number from 1 to 65535');
  return { port };
}

function parseNetwork(entry: string, host: string): [IpAddress, number] {
  const [base, bits, ...rest] = host.split('/');
  const address = parseAddress(base!);
  const max = address?.kind() === 'ipv4' ? 32 : 128;
  if (max === 32 && base!.includes(':')) throw badEntry(entry, 'write an IPv4-mapped network in its IPv4 form');
  if (!address || rest.length > 0 || !/^\d{1,3}$/.test(bits!) || Number(bits) > max) {
    throw badEntry(entry, 'a network is written like 10.0.0.0/8 or fd00::/8');
  }
  if (Number(bits) === 0) throw badEntry(entry, 'it would switch the guard off; name the networks that are meant');
  const first = firstAddress(address, Number(bits));
  if (first !== address.toString()) throw badEntry(entry, `the network starts at ${first}; write ${first}/${bits}`);
  return [address, Number(bits)];
}

function firstAddress(address: IpAddress, bits: number): string {
  const cidr = `${address.toString()}/${bits}`;
  const first =
    address.kind() === 'ipv4'
      ? ipaddr.IPv4.networkAddressFromCIDR(cidr)
      : ipaddr.IPv6.networkAddressFromCIDR(cidr);
  return first.toString();
}

function parseName(entry: string, text: string): string {
  const name = withoutTrailingDot(domainToASCII(text));
  if (name === '' || text.includes('*') || !isHostName(name)) {
    throw badEntry(entry, 'a host is a name like nextcloud.lan, a pattern like *.corp.example, or an address');
  }
  return name;
}

function badEntry(entry: string, problem: string): Error {
  return new Error(`VANE_EGRESS_ALLOW has an entry that cannot be used, "${entry}": ${problem}.`);
}

/** Whether a name can be looked up: labels of letters, digits, hyphens and underscores, the last one not a number. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && /^([a-z0-9_-]{1,63}\.)*(?=[a-z0-9_-]*[a-z_-])[a-z0-9_-]{1,63}$/.test(name);
}

/** `example.com.` and `example.com` are the same host. */
export function withoutTrailingDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

/** `localhost` and every name below it mean this machine: RFC 6761, section 6.3. */
export function isLocalhostName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** Whether the operator allows this host name on this port, whatever it resolves to. */
export function allowsName(policy: EgressPolicy, name: string, port: number): boolean {
  return policy.allow.some((entry) => {
    if (entry.port !== undefined && entry.port !== port) return false;
    if (entry.kind === 'name') return entry.name === name;
    return entry.kind === 'suffix' && name.endsWith(entry.suffix);
  });
}

/** Whether the operator allows this address on this port. */
export function allowsAddress(policy: EgressPolicy, address: IpAddress, port: number): boolean {
  return policy.allow.some((entry) => {
    if (entry.kind !== 'network' || (entry.port !== undefined && entry.port !== port)) return false;
    const [base, bits] = entry.network;
    return base.kind() === address.kind() && address.match([base, bits]);
  });
}

/**
 * Decides which of a host's addresses may be connected to. If all are public or allowed, all of them.
 * If one is not, then only those the operator allows by address: a public address beside a
 * private one is how DNS rebinding looks, so it is not used either.
 *
 * @param addresses as the resolver gave them
 * @returns the same strings, never empty
 * @throws EgressBlocked if none may be used
 */
export function connectableAddresses(
  policy: EgressPolicy,
  target: { name: string; port: number },
  addresses: readonly string[],
): string[] {
  if (allowsName(policy, target.name, target.port)) return [...addresses];
  const judged = addresses.map((text) => {
    const address = parseAddress(text);
    const allowed = address !== undefined && allowsAddress(policy, address, target.port);
    const reason = address === undefined ? ('reserved' as const) : blockedReason(address);
    return { text, allowed, reason };
  });
  const refused = judged.find(({ allowed, reason }) => !allowed && reason !== undefined);
  if (refused === undefined) return [...addresses];
  const allowed = judged.filter((one) => one.allowed).map(({ text }) => text);
  if (allowed.length === 0) throw blockedAddress(refused.reason!, hostPort(target.name, target.port));
  return allowed;
}

/** `host:port`, with brackets around an IPv6 address. */
export function hostPort(name: string, port: number): string {
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
