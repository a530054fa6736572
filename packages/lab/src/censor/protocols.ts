// Which protocol a flow speaks, as engines that look at single packets tell it. True or false when it is certain, null while it can still turn out.
import type { Flow } from './flow.ts';
import type { ProtocolName } from './schema.ts';
import type { Truth } from './truth.ts';

const METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];
const LEAST_HTTP_BYTES = 8;
const DNS_HEADER_BYTES = 12;
const MAX_LABEL_BYTES = 63;
/** QUIC versions whose Initial packets can be told: 1, 2, and the drafts and Google's of the time. */
const QUIC_VERSIONS: readonly number[] = [0x00000001, 0x6b3343cf];
const QUIC_DRAFTS = 0xff0000;
const STUN_COOKIE = 0x2112a442;
const OPENVPN_MESSAGES = 10;
const OPENVPN_CLIENT_RESETS = [1, 7, 10];
const OPENVPN_SERVER_RESETS = [2, 8];
const MAX_OPENVPN_OPCODE = 11;
/** After so many packets that are none of its messages, OpenGFW gives up on WireGuard. */
const WIREGUARD_PACKETS = 4;
const WIREGUARD_BYTES: readonly (readonly [type: number, bytes: number])[] = [
  [1, 148],
  [2, 92],
  [3, 64],
];

/** A record header of a handshake: 16 03 01 to 03 and a length (C05). */
export function startsTls(bytes: Buffer): boolean {
  const version = bytes[2] ?? 0;
  return bytes.length >= 5 && bytes[0] === 0x16 && bytes[1] === 3 && version >= 1 && version <= 3;
}

/** A method and a space, in at least 8 bytes (C05). */
export function startsHttp(bytes: Buffer): boolean {
  return bytes.length >= LEAST_HTTP_BYTES && METHODS.some((method) => bytes.indexOf(`${method} `, 0, 'latin1') === 0);
}

/** RFC 4253 §4.2. */
export function startsSsh(bytes: Buffer): boolean {
  return /^SSH-(?:2\.0|1\.99)-/.test(bytes.subarray(0, 9).toString('latin1'));
}

/** The name that a DNS message asks for first (RFC 1035 §4.1), in lower case; null where it is no query. */
export function dnsQueryName(message: Buffer): string | null {
  if (message.length < DNS_HEADER_BYTES + 5) return null;
  const flags = message.readUInt16BE(2);
  const isQuery = (flags & 0xf800) === 0 && message.readUInt16BE(4) >= 1 && message.readUInt16BE(6) === 0;
  if (!isQuery) return null;
  const labels: string[] = [];
  for (let at = DNS_HEADER_BYTES; ; ) {
    const length = message[at];
    if (length === undefined || length > MAX_LABEL_BYTES || at + 1 + length > message.length) return null;
    if (length === 0) return at + 5 <= message.length ? labels.join('.').toLowerCase() : null;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** The DNS message in a payload: behind its length where it came over TCP. */
export function dnsMessage(transport: 'tcp' | 'udp', bytes: Buffer): Buffer | null {
  if (transport === 'udp') return bytes;
  return bytes.length >= 2 && bytes.readUInt16BE(0) === bytes.length - 2 ? bytes.subarray(2) : null;
}

/** A long header of a version that is known, and in it an Initial (RFC 9000 §17.2.2, RFC 9369 §3.2). */
export function startsQuicInitial(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  if (bytes.length < 7 || (first & 0xc0) !== 0xc0) return false;
  const version = bytes.readUInt32BE(1);
  const isKnown = QUIC_VERSIONS.includes(version) || version >>> 8 === QUIC_DRAFTS;
  const initial = version === QUIC_VERSIONS[1] ? 0x10 : 0;
  return isKnown && (first & 0x30) === initial;
}

function startsDtls(bytes: Buffer): boolean {
  const minor = bytes[2] ?? 0;
  return bytes.length >= 13 && bytes[0] === 0x16 && bytes[1] === 0xfe && (minor === 0xff || minor === 0xfd);
}

function startsStun(bytes: Buffer): boolean {
  return bytes.length >= 20 && (bytes.readUInt8(0) & 0xc0) === 0 && bytes.readUInt32BE(4) === STUN_COOKIE;
}

/** One of WireGuard's four messages, by type and size (OpenGFW). */
function isWireGuard(bytes: Buffer): boolean {
  const type = bytes[0] ?? 0;
  if (bytes.length < 4 || bytes[1] !== 0 || bytes[2] !== 0 || bytes[3] !== 0) return false;
  const exact = WIREGUARD_BYTES.find(([known]) => known === type);
  return exact === undefined ? type === 4 && bytes.length >= 32 : bytes.length === exact[1];
}

/** By their first payload alone. */
const BY_FIRST: Partial<Record<ProtocolName, (bytes: Buffer, transport: 'tcp' | 'udp') => boolean>> = {
  tls: (bytes, transport) => transport === 'tcp' && startsTls(bytes),
  http: (bytes, transport) => transport === 'tcp' && startsHttp(bytes),
  ssh: (bytes, transport) => transport === 'tcp' && startsSsh(bytes),
  dns: (bytes, transport) => {
    const message = dnsMessage(transport, bytes);
    return message !== null && dnsQueryName(message) !== null;
  },
  quic: (bytes, transport) => transport === 'udp' && startsQuicInitial(bytes),
  dtls: (bytes, transport) => transport === 'udp' && startsDtls(bytes),
  stun: (bytes, transport) => transport === 'udp' && startsStun(bytes),
};

/** Whether one of the client's first `within` packets begins as the protocol does. */
export function speaks(flow: Flow, name: ProtocolName, within: number): Truth {
  if (name === 'openvpn') return speaksOpenVpn(flow);
  if (name === 'wireguard') return speaksWireGuard(flow);
  const test = BY_FIRST[name];
  if (test === undefined) return false;
  const { payloads } = flow.client;
  if (payloads.slice(0, within).some((bytes) => test(bytes, flow.tuple.transport))) return true;
  return payloads.length >= within ? false : null;
}

function openVpnOpcode(bytes: Buffer, transport: 'tcp' | 'udp'): number {
  return (bytes[transport === 'tcp' ? 2 : 0] ?? 0) >> 3;
}

/** A pair of resets, then two to four further opcodes within ten messages, none of them a reset (nDPI; Xue et al. 2022). */
function speaksOpenVpn(flow: Flow): Truth {
  const { client, server, tuple } = flow;
  const opcodes = (payloads: readonly Buffer[]) => payloads.map((bytes) => openVpnOpcode(bytes, tuple.transport));
  const [reset, ...up] = opcodes(client.payloads);
  const [answer, ...down] = opcodes(server.payloads);
  if (reset === undefined) return null;
  const [first] = client.payloads;
  const hasLength =
    tuple.transport === 'udp' ||
    (first !== undefined && first.length > 2 && first.readUInt16BE(0) === first.length - 2);
  if (!OPENVPN_CLIENT_RESETS.includes(reset) || !hasLength) return false;
  if (answer === undefined) return null;
  if (!OPENVPN_SERVER_RESETS.includes(answer)) return false;
  const further = [...up, ...down].slice(0, OPENVPN_MESSAGES - 2);
  const isStrange = (opcode: number) =>
    opcode === 0 ||
    opcode > MAX_OPENVPN_OPCODE ||
    OPENVPN_CLIENT_RESETS.includes(opcode) ||
    OPENVPN_SERVER_RESETS.includes(opcode);
  if (further.some(isStrange)) return false;
  const kinds = new Set(further).size;
  if (kinds >= 2) return kinds <= 4;
  return further.length >= OPENVPN_MESSAGES - 2 ? false : null;
}

function speaksWireGuard({ client, server, tuple }: Flow): Truth {
  if (tuple.transport !== 'udp') return false;
  if ([...client.payloads, ...server.payloads].some(isWireGuard)) return true;
  return client.packets + server.packets >= WIREGUARD_PACKETS ? false : null;
}
