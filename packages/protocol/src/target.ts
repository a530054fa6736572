// Where a stream leads, as an OPEN frame carries it (docs/spec/wire.md):
//
//   kind u8 ‖ host ‖ port u16
//   kind 1: 4 bytes, an IPv4 address
//   kind 2: 16 bytes, an IPv6 address
//   kind 3: length u8 ‖ that many bytes of a name, ASCII
import { ByteReader } from './bytes.ts';
import { ProtocolError } from './errors.ts';

const KIND_IPV4 = 1;
const KIND_IPV6 = 2;
const KIND_NAME = 3;

const MAX_NAME_BYTES = 255;
const LABEL = /^[A-Za-z0-9_-]{1,63}$/;
const MAX_PORT = 0xffff;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;
/** The first twelve bytes of an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2). */
const IPV4_MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** Where a stream leads: a host name or an IP literal (IPv6 without brackets), and a port of 1 to 65535. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** The 4 bytes of a dotted-quad IPv4 address without leading zeros; nothing where `text` is not one. */
function parseIpv4(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : Number.NaN));
  return bytes.every((byte) => byte <= 255) ? Buffer.from(bytes) : undefined;
}

/** The groups of one side of a `::`; a dotted quad may stand for the last two. */
function parseGroups(text: string, quadAllowed: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const quad = quadAllowed && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (!quad) return undefined;
    groups.push(quad.readUInt16BE(0), quad.readUInt16BE(2));
  }
  return groups;
}

/** The 16 bytes of an IPv6 address (RFC 4291 §2.2); nothing where `text` is not one. Zone ids belong to one machine: refused. */
function parseIpv6(text: string): Buffer | undefined {
  const sides = text.split('::');
  const [first = '', second] = sides;
  if (sides.length > 2) return undefined;
  const head = parseGroups(first, second === undefined);
  const tail = parseGroups(second ?? '', true);
  if (!head || !tail) return undefined;
  const missing = IPV6_GROUPS - head.length - tail.length;
  if (second === undefined ? missing !== 0 : missing < 1) return undefined;
  const bytes = Buffer.alloc(IPV6_BYTES);
  for (const [index, group] of [...head, ...Array<number>(missing).fill(0), ...tail].entries()) {
    bytes.writeUInt16BE(group, index * 2);
  }
  return bytes;
}

/** The address that `text` writes out: 4 bytes for a dotted quad, 16 for IPv6 without brackets or zone; nothing where it is neither. */
export function parseIpAddress(text: string): Buffer | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The first longest run of at least two zero groups, as [start, length]; [-1, 0] where there is none. */
function longestZeroRun(groups: readonly number[]): readonly [number, number] {
  let best: readonly [number, number] = [-1, 0];
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length >= 2 && length > best[1]) best = [index - length + 1, length];
  }
  return best;
}

/**
 * An address of 4 or 16 bytes as text; IPv6 in the form of RFC 5952, IPv4-mapped ones with a dotted quad at their end.
 * Throws a `ProtocolError` (`malformed`) for another count of bytes.
 */
export function formatIpAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== IPV6_BYTES) throw new ProtocolError('malformed', 'an IP address has 4 or 16 bytes');
  if (bytes.subarray(0, IPV4_MAPPED.length).equals(IPV4_MAPPED)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const groups = Array.from({ length: IPV6_GROUPS }, (_, index) => bytes.readUInt16BE(index * 2));
  const texts = groups.map((group) => group.toString(16));
  const [start, length] = longestZeroRun(groups);
  if (start < 0) return texts.join(':');
  return `${texts.slice(0, start).join(':')}::${texts.slice(start + length).join(':')}`;
}

function checkName(name: string): void {
  if (/\P{ASCII}/u.test(name)) {
    throw new ProtocolError('malformed', 'a host name is ASCII; an international one must come in its punycode form');
  }
  if (name.length > MAX_NAME_BYTES) throw new ProtocolError('out-of-bounds', 'host name too long');
  const labels = (name.endsWith('.') ? name.slice(0, -1) : name).split('.');
  if (!labels.every((label) => LABEL.test(label))) throw new ProtocolError('malformed', 'not a host name');
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) {
    throw new ProtocolError('out-of-bounds', 'a port is a number of 1 to 65535');
  }
}

/** The bytes that stand for `target` in an OPEN frame. Throws a `ProtocolError` (`malformed`, `out-of-bounds`). */
export function encodeTarget(target: Target): Buffer {
  const { host, port } = target;
  checkPort(port);
  const address = parseIpAddress(host);
  if (!address) checkName(host);
  const body = address ?? Buffer.from(host, 'latin1');
  const head = address ? [address.length === 4 ? KIND_IPV4 : KIND_IPV6] : [KIND_NAME, body.length];
  return Buffer.from([...head, ...body, port >> 8, port & 0xff]);
}

function readHost(reader: ByteReader): string {
  const kind = reader.uint8();
  if (kind === KIND_IPV4) return formatIpAddress(reader.bytes(4));
  if (kind === KIND_IPV6) return formatIpAddress(reader.bytes(IPV6_BYTES));
  if (kind !== KIND_NAME) throw new ProtocolError('unsupported', 'unknown kind of target');
  const name = reader.bytes(reader.uint8()).toString('latin1');
  checkName(name);
  if (parseIpAddress(name)) throw new ProtocolError('malformed', 'an address sent as a name');
  return name;
}

/**
 * Reads one target and leaves the reader behind it. IPv6 addresses come out in the form of RFC 5952.
 * Throws a `ProtocolError` (`truncated`, `malformed`, `unsupported`, `out-of-bounds`).
 */
export function readTarget(reader: ByteReader): Target {
  const host = readHost(reader);
  const port = reader.uint16();
  checkPort(port);
  return { host, port };
}

/** The target that `bytes` stand for, all of them. Throws as `readTarget` does, and (`malformed`) where bytes are left over. */
export function decodeTarget(bytes: Buffer): Target {
  const reader = new ByteReader(bytes);
  const target = readTarget(reader);
  if (reader.remaining > 0) throw new ProtocolError('malformed', 'bytes behind the target');
  return target;
}

/**
 * Parses `host:port` or `[v6]:port`. The host is checked as `encodeTarget` does and left as it was written.
 * Throws a `ProtocolError` (`malformed`, `out-of-bounds`).
 */
export function parseHostPort(text: string): Target {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (!match) throw new ProtocolError('malformed', 'not of the form host:port or [v6]:port');
  const [, bracketed, plain = '', digits] = match;
  const host = bracketed ?? plain;
  if (bracketed === undefined) {
    if (!parseIpAddress(host)) checkName(host);
  } else if (parseIpAddress(host)?.length !== IPV6_BYTES) {
    throw new ProtocolError('malformed', 'only an IPv6 address stands in brackets');
  }
  const port = Number(digits);
  checkPort(port);
  return { host, port };
}

/** The text that `parseHostPort` reads: an IPv6 address in brackets, then a colon and the port. */
export function formatHostPort(target: Target): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}
