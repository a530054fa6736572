// A capture file (libpcap's classic format) of a TCP connection, made from what a tap has seen: no root and no capturing is needed.
import { type Passage, segmentsOf } from './tap.ts';

const MAGIC = 0xa1b2c3d4;
const SNAP_BYTES = 65_535;
const ETHERNET = 1;
const SERVER: readonly number[] = [203, 0, 113, 7];
const CLIENT: readonly number[] = [198, 51, 100, 23];
const CLIENT_PORT = 51_234;
const STEP_US = 20_000;
const FIN = 0x01;
const SYN = 0x02;
const PUSH = 0x08;
const ACK = 0x10;

function uint16(value: number): Buffer {
  return Buffer.of((value >> 8) & 0xff, value & 0xff);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** The checksum of IP and TCP (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

interface Segment {
  readonly from: Passage['from'];
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly bytes: Buffer;
}

function frameOf({ from, flags, sequence, acknowledged, bytes }: Segment, serverPort: number): Buffer {
  const isUp = from === 'client';
  const [source, target] = isUp ? [CLIENT, SERVER] : [SERVER, CLIENT];
  const ports = isUp ? [CLIENT_PORT, serverPort] : [serverPort, CLIENT_PORT];
  const tcp = Buffer.concat([
    ...ports.map(uint16),
    uint32(sequence),
    uint32(acknowledged),
    Buffer.of(5 << 4, flags),
    uint16(64_240),
    uint32(0),
    bytes,
  ]);
  const pseudo = Buffer.concat([Buffer.from([...source, ...target, 0, 6]), uint16(tcp.length), tcp]);
  tcp.writeUInt16BE(checksum(pseudo), 16);
  const ip = Buffer.from([0x45, 0, ...uint16(20 + tcp.length), 0, 1, 0x40, 0, 64, 6, 0, 0, ...source, ...target]);
  ip.writeUInt16BE(checksum(ip), 10);
  const ethernet = Buffer.from([2, 0, 0, 0, 0, isUp ? 2 : 1, 2, 0, 0, 0, 0, isUp ? 1 : 2, 8, 0]);
  return Buffer.concat([ethernet, ip, tcp]);
}

/** A capture of one connection from its first packet to its last. */
export function makePcap(passages: readonly Passage[], serverPort: number): Buffer {
  const sequences = { client: 1000, server: 5000 };
  const other = { client: 'server', server: 'client' } as const;
  const frames: Buffer[] = [];
  const push = (from: Passage['from'], flags: number, bytes: Buffer = Buffer.alloc(0)) => {
    const segment = { from, flags, sequence: sequences[from], acknowledged: sequences[other[from]], bytes };
    frames.push(frameOf(segment, serverPort));
    sequences[from] += bytes.length + ((flags & (SYN | FIN)) === 0 ? 0 : 1);
  };
  push('client', SYN);
  push('server', SYN | ACK);
  push('client', ACK);
  for (const { from, bytes } of segmentsOf(passages)) {
    push(from, PUSH | ACK, bytes);
    push(other[from], ACK);
  }
  for (const from of ['client', 'server'] as const) push(from, FIN | ACK);
  push('client', ACK);
  const records = frames.map((frame, index) => {
    const us = index * STEP_US;
    const head = [1_700_000_000 + Math.floor(us / 1e6), us % 1e6, frame.length, frame.length].map(uint32);
    return Buffer.concat([...head, frame]);
  });
  const file = [uint32(MAGIC), uint16(2), uint16(4), uint32(0), uint32(0), uint32(SNAP_BYTES), uint32(ETHERNET)];
  return Buffer.concat([...file, ...records]);
}
