// Packets as specifications print them, and as they say that packets are built; written apart from what recognises them, and from what the rule
// files' own controls send.
import { createCipheriv, createHash } from 'node:crypto';

/** Bytes from hexadecimal, spaces ignored. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const text = (words: string): Buffer => Buffer.from(words, 'latin1');
const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

function number(value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}

const sized = (bytes: Buffer, size: number): Buffer => join(number(bytes.length, size), bytes);

/** Bytes without any order: SHA-256 of a counter (set bits a byte near 4, entropy near the most that so many bytes have). */
export function noise(length: number, label = ''): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
    createHash('sha256').update(`${label}${index}`).digest(),
  );
  return join(...blocks).subarray(0, length);
}

/** The ClientHello of RFC 8448 §3, for "server", in its record. */
export const HELLO = hex(`
  16 03 01 00 c4 01 00 00 c0 03 03 cb 34 ec b1 e7 81 63 ba 1c 38 c6 da cb 19 6a 6d ff a2 1a 8d 99 12 ec 18 a2 ef 62 83 02 4d ec e7
  00 00 06 13 01 13 03 13 02 01 00 00 91 00 00 00 0b 00 09 00 00 06 73 65 72 76 65 72 ff 01 00 01 00 00 0a 00 14 00 12 00 1d 00 17
  00 18 00 19 01 00 01 01 01 02 01 03 01 04 00 23 00 00 00 33 00 26 00 24 00 1d 00 20 99 38 1d e5 60 e4 bd 43 d2 3d 8e 43 5a 7d ba
  fe b3 c0 6e 51 c1 3c ae 4d 54 13 69 1e 52 9a af 2c 00 2b 00 03 02 03 04 00 0d 00 20 00 1e 04 03 05 03 06 03 02 03 08 04 08 05 08
  06 04 01 05 01 06 01 02 01 04 02 05 02 06 02 02 02 00 2d 00 02 01 01 00 1c 00 02 40 01`);
/** Its JA4, worked out by hand from FoxIO's description: TLS 1.3, a name, 3 ciphers, 9 extensions, no ALPN. */
export const HELLO_JA4 = 't13d030900_55b375c5d22e_59cd3dafc54d';
const EXTENSIONS_AT = 56;
const OTHERS_AT = 71;

/** The same for another name (null: for none), with more extensions at its end (RFC 8446 §4.1.2, RFC 6066 §3). */
export function helloFor(name: string | null, more: readonly Buffer[] = []): Buffer {
  const list = sized(join(hex('00'), sized(text(name ?? ''), 2)), 2);
  const serverName = name === null ? hex('') : join(hex('0000'), sized(list, 2));
  const extensions = sized(join(serverName, HELLO.subarray(OTHERS_AT), ...more), 2);
  const body = join(HELLO.subarray(9, EXTENSIONS_AT - 2), extensions);
  return join(hex('16 0301'), sized(join(hex('01'), sized(body, 3)), 2));
}

/** An extension that a hello can be given. */
export const extension = (type: number, body: Buffer): Buffer => join(number(type, 2), sized(body, 2));
/** ESNI (draft-ietf-tls-esni-02 §4) and ECH (draft-ietf-tls-esni-18 §5), as far as a censor looks. */
export const ESNI = extension(0xffce, noise(200, 'esni'));
export const ECH = extension(
  0xfe0d,
  join(hex('00 0001 0001 42'), sized(noise(32, 'key'), 2), sized(noise(144, 'ech'), 2)),
);

/** A record of application data (RFC 8446 §5.1). */
export const appData = (length: number): Buffer => join(hex('17 0303'), sized(noise(length, 'data'), 2));

/** A request as RFC 9112 §3 has it. */
export const request = (host: string, method = 'GET'): Buffer =>
  text(`${method} /index.html HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\n\r\n`);
export const RESPONSE = text('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');

/** A version line (RFC 4253 §4.2). */
export const SSH = text('SSH-2.0-OpenSSH_6.0p1 Debian-4+deb7u2\r\n');

/** A query for an address (RFC 1035 §4.1). */
export function dnsQuery(name: string): Buffer {
  const labels = name.split('.').map((label) => sized(text(label), 1));
  return join(hex('dead 0100 0001 0000 0000 0000'), ...labels, hex('00 0001 0001'));
}
/** The same over TCP (RFC 1035 §4.2.2). */
export const dnsOverTcp = (name: string): Buffer => sized(dnsQuery(name), 2);

/** A STUN binding request (RFC 8489 §5). */
export const STUN = join(hex('0001 0000 2112a442'), noise(12, 'stun'));

const [OWN_SESSION, OTHER_SESSION] = [hex('d9 64 2e 10 7f 3a 55 01'), hex('81 38 14 9a 0c bb 41 77')];
/** OpenVPN's control channel without tls-auth, by its protocol description: opcode << 3 | key, session, acknowledgements, packet number. */
export const OPENVPN = {
  clientReset: join(hex('38'), OWN_SESSION, hex('00 00000000')),
  serverReset: join(hex('40'), OTHER_SESSION, hex('01 00000000'), OWN_SESSION, hex('00000000')),
  ack: join(hex('28'), OWN_SESSION, hex('01 00000000'), OTHER_SESSION),
  control: join(hex('20'), OWN_SESSION, hex('00 00000001'), HELLO),
  data: join(hex('48 000000'), noise(100, 'openvpn')),
  softReset: join(hex('18'), OWN_SESSION, hex('00 00000002')),
} as const;
/** Over TCP each has its length in front. */
export const openvpnOverTcp = (packet: Buffer): Buffer => sized(packet, 2);

/** WireGuard's messages (its white paper, §5.4): initiation, response, cookie reply, data. */
export function wireguard(type: 1 | 2 | 3 | 4, length: number): Buffer {
  return join(number(type, 1), hex('000000'), noise(length - 4, `wireguard ${type}`));
}

/** RFC 9001 A.1: the connection's id, and the keys that follow from it. */
const QUIC_ID = hex('8394c8f03e515708');
const QUIC_KEY = hex('1f369613dd76d5467730efcbe3b1a22d');
const QUIC_IV = hex('fa044b2f42a3fd3b46fb255c');
const QUIC_HEADER_KEY = hex('9f50449e04a0e810283a1e9933adedd2');
/** RFC 9001 A.2: the handshake message, for "example.com". */
export const QUIC_HELLO = hex(`
  010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c65
  2e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba
  753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffff
  ffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff`);

/** A CRYPTO frame (RFC 9000 §19.6). */
export const cryptoFrame = (offset: number, bytes: Buffer): Buffer =>
  join(
    hex('06'),
    offset < 64 ? number(offset, 1) : number(0x4000 | offset, 2),
    number(0x4000 | bytes.length, 2),
    bytes,
  );

/** A client's Initial under those keys, packet number 2 (RFC 9001 A.2), of so many bytes in all. */
export function quicInitial(frames: Buffer, { bytes = 1200, version = 1 } = {}): Buffer {
  const plain = join(frames, Buffer.alloc(bytes - 22 - 16 - frames.length));
  const head = join(
    hex('c3'),
    number(version, 4),
    sized(QUIC_ID, 1),
    hex('00 00'),
    number(0x4000 | (plain.length + 20), 2),
  );
  const header = join(head, hex('00000002'));
  const nonce = Buffer.from(QUIC_IV);
  nonce[11] = (nonce[11] ?? 0) ^ 2;
  const cipher = createCipheriv('aes-128-gcm', QUIC_KEY, nonce).setAAD(header);
  const packet = join(header, cipher.update(plain), cipher.final(), cipher.getAuthTag());
  const mask = createCipheriv('aes-128-ecb', QUIC_HEADER_KEY, null).update(packet.subarray(22, 38));
  packet[0] = (packet[0] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  for (let at = 0; at < 4; at++) packet[18 + at] = (packet[18 + at] ?? 0) ^ (mask[1 + at] ?? 0);
  return packet;
}

/** The handshake message of a hello that stands in a record. */
export const messageOf = (record: Buffer): Buffer => record.subarray(5);

/** A DTLS record with one handshake message (RFC 6347 §4.1, §4.2.2). */
export function dtls(type: 1 | 2 | 3, body: Buffer): Buffer {
  const message = join(number(type, 1), number(body.length, 3), hex('0000 000000'), sized(body, 3));
  return join(hex('16 fefd 0000 000000000000'), sized(message, 2));
}
const GROUPS = extension(10, hex('0002 001d'));
const POINT_FORMATS = extension(11, hex('01 00'));
const dtlsHello = (extensions: Buffer): Buffer =>
  join(hex('fefd'), noise(32, 'dtls'), hex('00 c02b 00'), sized(extensions, 2));
/** The hellos and the verify request (RFC 6347 §4.2.1) of DTLS 1.2. */
export const DTLS = {
  clientHello: dtls(
    1,
    join(hex('fefd'), noise(32, 'client'), hex('00 00 0002 c02b 01 00'), sized(join(GROUPS, POINT_FORMATS), 2)),
  ),
  serverHelloWithGroups: dtls(2, dtlsHello(join(POINT_FORMATS, GROUPS))),
  serverHello: dtls(2, dtlsHello(POINT_FORMATS)),
  verify: dtls(3, join(hex('feff 14'), noise(20, 'cookie'))),
} as const;
