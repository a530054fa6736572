import { parseIpAddress } from '@rozan/protocol';
import { type Cidr, cidrContains, parseCidr } from './cidr.ts';

/** A hole in the guard: a block of addresses, and the one port it is for (all but SMTP's if none is named). */
export interface AllowRule {
  readonly block: Cidr;
  readonly port: number | null;
}

/** What the guard goes by. */
export interface GuardRules {
  /** Destinations that are allowed whatever else is said. */
  readonly allow: readonly AllowRule[];
  /** The relay's own addresses, as literals, which are refused even when public. */
  readonly ownAddresses: readonly string[];
}

const SMTP_PORT = 25;

/**
 * IPv4 blocks that are not public unicast: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast (RFC 5771) and
 * the reserved class E (RFC 1112 §4). Entries that the registry calls globally reachable are anycast services of the network itself,
 * which nobody visits; they are refused with the rest.
 */
const REFUSED_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
] as const;

/**
 * The only IPv6 block given to public unicast (RFC 4291 §2.4, IANA IPv6 Address Space). Outside it lie, among others, ::/96, ::1,
 * IPv4-mapped ::ffff:0:0/96, 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64, 5f00::/16, fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
 */
const PUBLIC_IPV6 = '2000::/3';

/** What inside `PUBLIC_IPV6` is special (IANA IPv6 Special-Purpose Address Registry): Teredo, benchmarking, ORCHID, documentation, 6to4, AS112. */
const REFUSED_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'] as const;

function knownCidr(text: string): Cidr {
  const block = parseCidr(text);
  if (block === null) throw new TypeError(`not a CIDR: ${text}`);
  return block;
}

const REFUSED_IPV4_BLOCKS: readonly Cidr[] = REFUSED_IPV4.map(knownCidr);
const REFUSED_IPV6_BLOCKS: readonly Cidr[] = REFUSED_IPV6.map(knownCidr);
const PUBLIC_IPV6_BLOCK: Cidr = knownCidr(PUBLIC_IPV6);

function isPublicUnicast(address: Buffer): boolean {
  if (address.length === 4) return !REFUSED_IPV4_BLOCKS.some((block) => cidrContains(block, address));
  return cidrContains(PUBLIC_IPV6_BLOCK, address) && !REFUSED_IPV6_BLOCKS.some((block) => cidrContains(block, address));
}

function isOwn(address: Buffer, ownAddresses: readonly string[]): boolean {
  return ownAddresses.some((literal) => parseIpAddress(literal)?.equals(address));
}

function opens(rule: AllowRule, address: Buffer, port: number): boolean {
  if (!cidrContains(rule.block, address)) return false;
  return rule.port === null ? port !== SMTP_PORT : rule.port === port;
}

/**
 * Whether the relay may connect to `literal` at `port` (DESIGN §7.1): public unicast, not the relay itself, not SMTP, or opened by a rule.
 * To be asked about the very literal that is dialled, after every look-up. Anything that is not an address in standard notation is refused.
 */
export function isAllowed(literal: string, port: number, rules: GuardRules): boolean {
  const address = parseIpAddress(literal);
  if (address === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) return false;
  if (rules.allow.some((rule) => opens(rule, address, port))) return true;
  return port !== SMTP_PORT && isPublicUnicast(address) && !isOwn(address, rules.ownAddresses);
}

/**
 * Parses the value of `--egress-allow`: `CIDR`, `CIDR:PORT`, or an address in place of the CIDR. Around IPv6 with a port brackets are needed:
 * `[fd00::/8]:443`. Null if it is anything else.
 */
export function parseAllowRule(text: string): AllowRule | null {
  const bracketed = /^\[([^\]]+)\](?::([0-9]{1,5}))?$/.exec(text);
  const dotted = /^([0-9./]+)(?::([0-9]{1,5}))?$/.exec(text);
  const [, blockText = text, portText] = bracketed ?? dotted ?? [];
  const block = parseCidr(blockText);
  if (block === null) return null;
  if (portText === undefined) return { block, port: null };
  const port = Number(portText);
  return port >= 1 && port <= 65_535 ? { block, port } : null;
}
