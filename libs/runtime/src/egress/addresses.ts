import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { BlockedAddressReason } from './errors.js';

/** A parsed IPv4 or IPv6 address; IPv4-mapped IPv6 addresses are always in their IPv4 form. */
export type IpAddress = ipaddr.IPv4 | ipaddr.IPv6;

/**
 * Reads an address as the resolver or a URL gives it: canonical IPv4, or IPv6 with or without brackets or zone id.
 * `::ffff:a.b.c.d` becomes `a.b.c.d`, because that is what the kernel connects to.
 *
 * @returns undefined if the text is not an address.
 */
export function parseAddress(text: string): IpAddress | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  // ipaddr.js also reads octal and short forms; the kernel's own parser decides what an address is.
  if (isIP(bare) === 0) return undefined;
  return ipaddr.process(bare);
}

/**
 * Says why an address must not be reached from here, or undefined if it belongs to the public internet.
 * Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates).
 */
export function blockedReason(address: IpAddress): BlockedAddressReason | undefined {
  return address instanceof ipaddr.IPv4 ? blockedV4(address) : blockedV6(address);
}

const v4 = (cidr: string, reason: BlockedAddressReason) => ({ range: ipaddr.IPv4.parseCIDR(cidr), reason });
const v6 = (cidr: string, reason: BlockedAddressReason) => ({ range: ipaddr.IPv6.parseCIDR(cidr), reason });

/** First match wins, so single hosts stand before the ranges around them. */
const BLOCKED_V4 = [
  v4('169.254.169.254/32', 'metadata'), // AWS, Google Cloud, Azure, DigitalOcean, Oracle
  v4('169.254.170.2/32', 'metadata'), // AWS ECS task credentials
  v4('100.100.100.200/32', 'metadata'), // Alibaba Cloud
  v4('192.0.0.192/32', 'metadata'), // Oracle Cloud classic
  v4('168.63.129.16/32', 'metadata'), // Azure host agent: looks public, answers only inside Azure
  v4('0.0.0.0/8', 'unspecified'),
  v4('10.0.0.0/8', 'private'),
  v4('100.64.0.0/10', 'carrier_grade_nat'),
  v4('127.0.0.0/8', 'loopback'),
  v4('169.254.0.0/16', 'link_local'),
  v4('172.16.0.0/12', 'private'),
  v4('192.0.0.0/24', 'reserved'),
  v4('192.0.2.0/24', 'documentation'),
  v4('192.31.196.0/24', 'reserved'), // AS112, RFC 7535
  v4('192.52.193.0/24', 'reserved'), // AMT, RFC 7450
  v4('192.88.99.0/24', 'transition'), // 6to4 relays, RFC 7526
  v4('192.168.0.0/16', 'private'),
  v4('192.175.48.0/24', 'reserved'), // AS112, RFC 7534
  v4('198.18.0.0/15', 'benchmarking'),
  v4('198.51.100.0/24', 'documentation'),
  v4('203.0.113.0/24', 'documentation'),
  v4('224.0.0.0/4', 'multicast'),
  v4('255.255.255.255/32', 'broadcast'),
  v4('240.0.0.0/4', 'reserved'),
];

const BLOCKED_V6 = [
  v6('::/128', 'unspecified'),
  v6('::1/128', 'loopback'),
  v6('fd00:ec2::254/128', 'metadata'), // AWS
  v6('fd20:ce::254/128', 'metadata'), // Google Cloud
  v6('::/96', 'transition'), // IPv4-compatible, RFC 4291
  v6('::ffff:0:0:0/96', 'transition'), // IPv4-translated, RFC 2765
  v6('64:ff9b:1::/48', 'transition'), // local-use NAT64, RFC 8215: where the IPv4 address sits is unknown
  v6('fe80::/10', 'link_local'),
  v6('fec0::/10', 'private'),
  v6('fc00::/7', 'private'),
  v6('ff00::/8', 'multicast'),
  v6('2001::/32', 'transition'), // Teredo, RFC 4380
  v6('2001:2::/48', 'benchmarking'),
  v6('2001::/23', 'reserved'),
  v6('2001:db8::/32', 'documentation'),
  v6('3fff::/20', 'documentation'),
  v6('2002::/16', 'transition'), // 6to4, RFC 3056
  v6('2620:4f:8000::/48', 'reserved'), // AS112, RFC 7534
];

const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

function blockedV4(address: ipaddr.IPv4): BlockedAddressReason | undefined {
  return BLOCKED_V4.find(({ range }) => address.match(range))?.reason;
}

function blockedV6(address: ipaddr.IPv6): BlockedAddressReason | undefined {
  // The well-known NAT64 prefix is how an IPv6-only network reaches the IPv4 internet, so it is judged by its IPv4 address.
  if (address.match(NAT64)) return blockedV4(embeddedV4(address)) && 'transition';
  const blocked = BLOCKED_V6.find(({ range }) => address.match(range));
  if (blocked) return blocked.reason;
  if (!address.match(GLOBAL_UNICAST)) return 'reserved';
  return isIsatap(address) && blockedV4(embeddedV4(address)) ? 'transition' : undefined;
}

/** ISATAP interface identifiers carry an IPv4 address behind any prefix: RFC 5214, section 6.1. */
function isIsatap(address: ipaddr.IPv6): boolean {
  return (address.parts[4] === 0 || address.parts[4] === 0x200) && address.parts[5] === 0x5efe;
}

function embeddedV4(address: ipaddr.IPv6): ipaddr.IPv4 {
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}
