// How flows of known protocols begin, byte by byte as their specifications have it; for controls.

import { createCipheriv } from 'node:crypto';
import type { SeededRandom } from '@rozan/tunnel/testing';
import type { Side } from './flow.ts';
import { initialKeys } from './quic-initial.ts';

/** A flow's first packets. */
export interface Opening {
  readonly transport: 'tcp' | 'udp';
  /** Where such a server is usually found. */
  readonly port: number;
  readonly packets: readonly (readonly [from: Side, bytes: Buffer])[];
}

type Make = (random: SeededRandom, name: string) => Opening;

const uint16 = (value: number): Buffer => Buffer.of((value >> 8) & 0xff, value & 0xff);
const uint24 = (value: number): Buffer => Buffer.of((value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const vector16 = (bytes: Buffer): Buffer => Buffer.concat([uint16(bytes.length), bytes]);

function extension(type: number, bytes: Buffer): Buffer {
  return Buffer.concat([uint16(type), vector16(bytes)]);
}

/** A ClientHello's handshake message (RFC 8446 §4.1.2). */
export function helloMessage(
  random: SeededRandom,
  { name, more = [], cookie = false }: { name: string | null; more?: readonly number[]; cookie?: boolean },
): Buffer {
  const host = Buffer.from(name ?? '');
  const extensions = [
    ...(name === null ? [] : [extension(0, vector16(Buffer.concat([Buffer.of(0), vector16(host)])))]),
    extension(10, vector16(hex('001d 0017 0018'))),
    extension(11, hex('01 00')),
    extension(13, vector16(hex('0403 0804 0401'))),
    extension(16, vector16(Buffer.concat([Buffer.of(2), Buffer.from('h2'), Buffer.of(8), Buffer.from('http/1.1')]))),
    extension(43, hex('04 0304 0303')),
    extension(51, vector16(Buffer.concat([hex('001d'), vector16(random.bytes(32))]))),
    ...more.map((type) => extension(type, random.bytes(8))),
  ];
  const body = Buffer.concat([
    cookie ? hex('fefd') : hex('0303'),
    random.bytes(32),
    Buffer.of(0),
    ...(cookie ? [Buffer.of(0)] : []),
    vector16(hex('1301 1302 1303 c02b c02f')),
    hex('0100'),
    vector16(Buffer.concat(extensions)),
  ]);
  return Buffer.concat([Buffer.of(1), uint24(body.length), body]);
}

function record(type: number, bytes: Buffer, version = 0x0303): Buffer {
  return Buffer.concat([Buffer.of(type), uint16(version), vector16(bytes)]);
}

function serverFlight(random: SeededRandom): Buffer {
  const hello = Buffer.concat([hex('02 000056 0303'), random.bytes(32), hex('00 1301 00'), vector16(random.bytes(46))]);
  return Buffer.concat([record(0x16, hello), record(0x14, Buffer.of(1)), record(0x17, random.bytes(1000))]);
}

function tls(more: readonly number[] = []): Make {
  return (random, name) => ({
    transport: 'tcp',
    port: 443,
    packets: [
      ['client', record(0x16, helloMessage(random, { name, more }), 0x0301)],
      ['server', serverFlight(random)],
      ['client', Buffer.concat([record(0x14, Buffer.of(1)), record(0x17, random.bytes(53))])],
    ],
  });
}

/** A DNS query (RFC 1035 §4.1) for an address. */
function dnsQuery(random: SeededRandom, name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([random.bytes(2), hex('0100 0001 0000 0000 0000'), ...labels, hex('00 0001 0001')]);
}

/** A client's Initial packet with a whole ClientHello (RFC 9000 §17.2.2, RFC 9001 §5). */
export function quicInitial(random: SeededRandom, name: string, version = 1): Buffer {
  const id = random.bytes(8);
  const keys = initialKeys(version, id);
  if (keys === null) throw new RangeError('no keys for this version');
  const hello = helloMessage(random, { name });
  const crypto = Buffer.concat([hex('06 00'), uint16(0x4000 | hello.length), hello]);
  const payload = Buffer.concat([crypto, Buffer.alloc(Math.max(0, 1162 - crypto.length))]);
  const kind = version === 1 ? 0xc0 : 0xd0;
  const versionBytes = Buffer.alloc(4);
  versionBytes.writeUInt32BE(version);
  const head = Buffer.concat([
    Buffer.of(kind),
    versionBytes,
    Buffer.of(id.length),
    id,
    Buffer.of(0, 0),
    uint16(0x4000 | (1 + payload.length + 16)),
    Buffer.of(0),
  ]);
  const cipher = createCipheriv('aes-128-gcm', keys.key, keys.iv);
  cipher.setAAD(head);
  const sealed = Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  const packet = Buffer.concat([head, sealed]);
  const numberAt = head.length - 1;
  const mask = createCipheriv('aes-128-ecb', keys.header, null).update(packet.subarray(numberAt + 4, numberAt + 20));
  packet[0] = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  packet[numberAt] = (packet[numberAt] ?? 0) ^ (mask[1] ?? 0);
  return packet;
}

function dtlsRecord(message: Buffer): Buffer {
  const length = message.length - 4;
  const fragment = Buffer.concat([message.subarray(0, 4), uint16(0), uint24(0), uint24(length), message.subarray(4)]);
  return Buffer.concat([hex('16 fefd 0000 000000000000'), vector16(fragment)]);
}

function dtls(random: SeededRandom, answer: 'server-hello' | 'hello-verify', more: readonly number[] = []): Opening {
  const hello = dtlsRecord(helloMessage(random, { name: null, cookie: true, more }));
  const verify = Buffer.concat([Buffer.of(3), uint24(23), hex('fefd 14'), random.bytes(20)]);
  const groups = extension(10, vector16(hex('001d')));
  const body = Buffer.concat([hex('fefd'), random.bytes(32), hex('00 c02b 00'), vector16(groups)]);
  const serverHello = Buffer.concat([Buffer.of(2), uint24(body.length), body]);
  const second = answer === 'hello-verify' ? verify : serverHello;
  return {
    transport: 'udp',
    port: 40_000,
    packets: [
      ['client', hello],
      ['server', dtlsRecord(second)],
    ],
  };
}

function http(random: SeededRandom, name: string): Opening {
  const request = `GET / HTTP/1.1\r\nHost: ${name}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n`;
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n';
  return {
    transport: 'tcp',
    port: 80,
    packets: [
      ['client', Buffer.from(request)],
      ['server', Buffer.concat([Buffer.from(head), random.bytes(1000)])],
    ],
  };
}

function ssh(random: SeededRandom): Opening {
  return {
    transport: 'tcp',
    port: 22,
    packets: [
      ['client', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')],
      ['server', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')],
      ['client', Buffer.concat([hex('000005dc 06 14'), random.bytes(1498)])],
    ],
  };
}

/** OpenVPN over UDP as its protocol has it: resets, acknowledgements, control packets, data. */
function openvpn(random: SeededRandom): Opening {
  const message = (opcode: number, bytes: number) => Buffer.concat([Buffer.of(opcode << 3), random.bytes(bytes)]);
  return {
    transport: 'udp',
    port: 1194,
    packets: [
      ['client', message(7, 13)],
      ['server', message(8, 25)],
      ['client', message(5, 21)],
      ['client', message(4, 280)],
      ['server', message(4, 1180)],
      ['client', message(5, 21)],
      ['client', message(9, 120)],
    ],
  };
}

function wireguard(random: SeededRandom): Opening {
  const message = (type: number, bytes: number) => Buffer.concat([Buffer.of(type, 0, 0, 0), random.bytes(bytes - 4)]);
  return {
    transport: 'udp',
    port: 51_820,
    packets: [
      ['client', message(1, 148)],
      ['server', message(2, 92)],
      ['client', message(4, 96)],
    ],
  };
}

/** Fully encrypted from the first byte on; TCP or UDP. */
function random(transport: 'tcp' | 'udp', length = 300): Make {
  return (bytes) => ({
    transport,
    port: 8388,
    packets: [
      ['client', bytes.bytes(length)],
      ['server', bytes.bytes(length)],
    ],
  });
}

type Sizes = readonly (readonly [from: Side, bytes: number])[];

const sized = (random: SeededRandom, sizes: Sizes): Opening['packets'] =>
  sizes.map(([from, length]) => [from, random.bytes(length)] as const);

/** The sizes at the middle of nDPI's model of a handshake of TLS 1.2 in a tunnel, each packet with so much more. */
function innerHandshake(more: number): Sizes {
  const up: Sizes = [['client', 213 + more]];
  const certificates: Sizes = [1448, 1448, 1448, 171].map((bytes) => ['server', bytes + more] as const);
  return [...up, ...certificates, ['client', 108 + more], ['server', 308 + more], ['client', 400]];
}

/** A browser's handshake inside a stream that has no look of its own. */
function tlsInside(random: SeededRandom): Opening {
  return { transport: 'tcp', port: 8388, packets: sized(random, innerHandshake(0)) };
}

/** The same inside TLS, where nDPI takes 24 bytes off each packet. */
function tlsInTls(random: SeededRandom, name: string): Opening {
  const outer = tls()(random, name);
  return { ...outer, packets: [...outer.packets, ...sized(random, innerHandshake(24))] };
}

/** One inside TLS with the sizes of a box in OpenGFW's tree; it counts from the client's ChangeCipherSpec on. */
function tlsInTlsTree(random: SeededRandom, name: string): Opening {
  const outer = tls()(random, name);
  const sizes: Sizes = [
    ['client', 240],
    ['server', 130],
    ['client', 400],
    ['server', 300],
    ['client', 100],
  ];
  return { ...outer, packets: [...outer.packets, ...sized(random, sizes)] };
}

/** By the words that rule files use. */
export const openings: ReadonlyMap<string, Make> = new Map<string, Make>([
  ['tls', tls()],
  ['tls-esni', tls([0xffce])],
  ['tls-ech', tls([0xfe0d])],
  ['tls-odd', tls([0x1234])],
  ['http', http],
  ['ssh', ssh],
  ['dns', (bytes, name) => ({ transport: 'udp', port: 53, packets: [['client', dnsQuery(bytes, name)]] })],
  ['openvpn', openvpn],
  ['wireguard', wireguard],
  [
    'quic',
    (bytes, name) => ({
      transport: 'udp',
      port: 443,
      packets: [
        ['client', quicInitial(bytes, name)],
        ['server', bytes.bytes(1200)],
      ],
    }),
  ],
  ['dtls', (bytes) => dtls(bytes, 'server-hello')],
  ['dtls-verify', (bytes) => dtls(bytes, 'hello-verify')],
  ['random', random('tcp')],
  ['random-udp', random('udp')],
  ['shadowsocks', random('tcp', 250)],
  ['random-short', random('tcp', 100)],
  ['tls-inside', tlsInside],
  ['tls-in-tls', tlsInTls],
  ['tls-in-tls-tree', tlsInTlsTree],
]);
