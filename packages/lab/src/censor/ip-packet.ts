// From a captured frame to a segment of TCP or a datagram of UDP.
import { formatIpAddress } from '@rozan/protocol';
import type { CapturedPacket } from './capture-file.ts';
import type { Endpoint } from './flow.ts';

/** A segment or a datagram. */
export interface IpPacket {
  readonly transport: 'tcp' | 'udp';
  readonly source: Endpoint;
  readonly target: Endpoint;
  readonly payload: Buffer;
  /** TCP's flags and sequence number; 0 for UDP. */
  readonly flags: number;
  readonly sequence: number;
}

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;

/** Where the IP header of a link's frames begins, and where its EtherType is, if it has one. */
const LINKS: ReadonlyMap<number, { readonly skip: number; readonly typeAt: number | null }> = new Map([
  [0, { skip: 4, typeAt: null }],
  [1, { skip: 14, typeAt: 12 }],
  [12, { skip: 0, typeAt: null }],
  [101, { skip: 0, typeAt: null }],
  [113, { skip: 16, typeAt: 14 }],
  [228, { skip: 0, typeAt: null }],
  [229, { skip: 0, typeAt: null }],
  [276, { skip: 20, typeAt: 0 }],
]);
const VLAN_TYPES: readonly number[] = [0x8100, 0x88a8];
const VLAN_BYTES = 4;
const TCP = 6;
const UDP = 17;
/** Extension headers of IPv6 that may stand before TCP and UDP: hop by hop, routing, destination. */
const IPV6_EXTENSIONS: readonly number[] = [0, 43, 60];

/** Reads a frame; null for what is neither TCP nor UDP over IP, a later fragment, or cut short. */
export function readIpPacket({ link, bytes }: CapturedPacket): IpPacket | null {
  const known = LINKS.get(link);
  if (known === undefined) return null;
  let { skip } = known;
  if (known.typeAt !== null) {
    let at = known.typeAt;
    while (at + 2 <= bytes.length && VLAN_TYPES.includes(bytes.readUInt16BE(at))) {
      at += VLAN_BYTES;
      skip += VLAN_BYTES;
    }
  }
  const packet = bytes.subarray(skip);
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4) return readVersion4(packet);
  return version === 6 ? readVersion6(packet) : null;
}

function readVersion4(packet: Buffer): IpPacket | null {
  if (packet.length < 20) return null;
  const headerBytes = (packet.readUInt8(0) & 0x0f) * 4;
  const isLaterFragment = (packet.readUInt16BE(6) & 0x1fff) !== 0;
  const total = packet.readUInt16BE(2);
  // 0 is what a capture has before the network card has cut a large segment.
  const end = total === 0 ? packet.length : Math.min(total, packet.length);
  if (headerBytes < 20 || isLaterFragment) return null;
  const hosts = [packet.subarray(12, 16), packet.subarray(16, 20)].map(formatIpAddress);
  return readTransport(packet.readUInt8(9), packet.subarray(headerBytes, end), hosts);
}

function readVersion6(packet: Buffer): IpPacket | null {
  if (packet.length < 40) return null;
  const payloadBytes = packet.readUInt16BE(4);
  const end = payloadBytes === 0 ? packet.length : Math.min(40 + payloadBytes, packet.length);
  const hosts = [packet.subarray(8, 24), packet.subarray(24, 40)].map(formatIpAddress);
  let next = packet.readUInt8(6);
  let at = 40;
  while (IPV6_EXTENSIONS.includes(next) && at + 8 <= end) {
    next = packet.readUInt8(at);
    at += (packet.readUInt8(at + 1) + 1) * 8;
  }
  return readTransport(next, packet.subarray(at, end), hosts);
}

function readTransport(protocol: number, bytes: Buffer, [from = '', to = '']: readonly string[]): IpPacket | null {
  const least = protocol === TCP ? 20 : 8;
  if ((protocol !== TCP && protocol !== UDP) || bytes.length < least) return null;
  const source = { host: from, port: bytes.readUInt16BE(0) };
  const target = { host: to, port: bytes.readUInt16BE(2) };
  if (protocol === UDP) {
    return { transport: 'udp', source, target, payload: bytes.subarray(8), flags: 0, sequence: 0 };
  }
  const headerBytes = (bytes.readUInt8(12) >> 4) * 4;
  if (headerBytes < 20 || headerBytes > bytes.length) return null;
  const payload = bytes.subarray(headerBytes);
  return { transport: 'tcp', source, target, payload, flags: bytes.readUInt8(13), sequence: bytes.readUInt32BE(4) };
}
