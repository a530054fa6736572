// The ClientHello in a QUIC Initial packet: anyone can open it, for its keys come from a public salt and the packet's own connection id (RFC 9001
// §5.2, RFC 9369 §3.3). One datagram at a time, as the censor that is known for it does (C35).
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { startsQuicInitial } from './protocols.ts';
import { readHelloMessage, type TlsHello } from './tls-hello.ts';

/** What a version's Initial keys are made of. */
interface Version {
  readonly salt: Buffer;
  readonly labels: readonly [key: string, iv: string, header: string];
}

const VERSION_1: Version = {
  salt: Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex'),
  labels: ['quic key', 'quic iv', 'quic hp'],
};
const VERSIONS: ReadonlyMap<number, Version> = new Map([
  [0x00000001, VERSION_1],
  [
    0x6b3343cf,
    {
      salt: Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex'),
      labels: ['quicv2 key', 'quicv2 iv', 'quicv2 hp'],
    },
  ],
  [0xff00001d, { ...VERSION_1, salt: Buffer.from('afbfec289993d24c9e9786f19c6111e04390a899', 'hex') }],
]);
const KEY_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SAMPLE_BYTES = 16;
const MAX_ID_BYTES = 20;
const PADDING = 0x00;
const PING = 0x01;
const CRYPTO = 0x06;
/** A hello is not longer than this. */
const MAX_CRYPTO_BYTES = 16_384;

/** HKDF-Expand-Label without a context (RFC 8446 §7.1). */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.of(length >> 8, length & 0xff, name.length), name, Buffer.of(0)]);
  const block = createHmac('sha256', secret).update(info).update(Buffer.of(1)).digest();
  return block.subarray(0, length);
}

/** The keys of the client's Initial packets to a connection id. */
export function initialKeys(version: number, id: Buffer): { key: Buffer; iv: Buffer; header: Buffer } | null {
  const known = VERSIONS.get(version);
  if (known === undefined) return null;
  const initial = createHmac('sha256', known.salt).update(id).digest();
  const client = expandLabel(initial, 'client in', 32);
  const [key, iv, header] = known.labels;
  return {
    key: expandLabel(client, key, KEY_BYTES),
    iv: expandLabel(client, iv, IV_BYTES),
    header: expandLabel(client, header, KEY_BYTES),
  };
}

/** A number of variable length (RFC 9000 §16), and where the next thing begins. Throws `RangeError`. */
function readNumber(bytes: Buffer, at: number): readonly [value: number, next: number] {
  const size = 1 << (bytes.readUInt8(at) >> 6);
  if (at + size > bytes.length) throw new RangeError('beyond the end');
  let value = bytes.readUInt8(at) & 0x3f;
  for (let index = 1; index < size; index++) value = value * 256 + bytes.readUInt8(at + index);
  return [value, at + size];
}

/** The plain payload of the first packet in a datagram. Throws `RangeError`; null where it cannot be opened. */
function openInitial(datagram: Buffer): Buffer | null {
  const idBytes = datagram.readUInt8(5);
  const id = datagram.subarray(6, 6 + idBytes);
  const keys = idBytes > MAX_ID_BYTES ? null : initialKeys(datagram.readUInt32BE(1), id);
  if (keys === null) return null;
  const sourceAt = 6 + idBytes;
  const [tokenBytes, tokenAt] = readNumber(datagram, sourceAt + 1 + datagram.readUInt8(sourceAt));
  const [length, numberAt] = readNumber(datagram, tokenAt + tokenBytes);
  const packet = Buffer.from(datagram.subarray(0, numberAt + length));
  const sample = packet.subarray(numberAt + 4, numberAt + 4 + SAMPLE_BYTES);
  if (packet.length < numberAt + length || sample.length < SAMPLE_BYTES) return null;
  const mask = createCipheriv('aes-128-ecb', keys.header, null).update(sample);
  packet[0] = packet.readUInt8(0) ^ ((mask[0] ?? 0) & 0x0f);
  const numberBytes = (packet.readUInt8(0) & 3) + 1;
  const nonce = Buffer.from(keys.iv);
  for (let index = 0; index < numberBytes; index++) {
    const byte = packet.readUInt8(numberAt + index) ^ (mask[1 + index] ?? 0);
    packet[numberAt + index] = byte;
    const place = IV_BYTES - numberBytes + index;
    nonce[place] = (nonce[place] ?? 0) ^ byte;
  }
  const bodyAt = numberAt + numberBytes;
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
  decipher.setAAD(packet.subarray(0, bodyAt));
  decipher.setAuthTag(packet.subarray(packet.length - TAG_BYTES));
  const plain = decipher.update(packet.subarray(bodyAt, packet.length - TAG_BYTES));
  decipher.final();
  return plain;
}

/** What CRYPTO frames (RFC 9000 §19.6) carry from the first byte on, without gaps, or the first of them. Throws `RangeError`. */
function cryptoBytes(payload: Buffer, reassemble: boolean): Buffer {
  const pieces: { readonly offset: number; readonly bytes: Buffer }[] = [];
  for (let at = 0; at < payload.length; ) {
    const type = payload[at];
    at += 1;
    if (type === PADDING || type === PING) continue;
    if (type !== CRYPTO) break;
    const [offset, lengthAt] = readNumber(payload, at);
    const [length, bytesAt] = readNumber(payload, lengthAt);
    if (offset + length > MAX_CRYPTO_BYTES) break;
    pieces.push({ offset, bytes: payload.subarray(bytesAt, bytesAt + length) });
    at = bytesAt + length;
    if (!reassemble) break;
  }
  pieces.sort((a, b) => a.offset - b.offset);
  let whole = Buffer.alloc(0);
  for (const { offset, bytes } of pieces) {
    if (offset > whole.length) break;
    whole = Buffer.concat([whole.subarray(0, offset), bytes]);
  }
  return whole;
}

/** The hello that lies whole in a client's Initial (in its first CRYPTO frame, unless one reassembles); null where there is none, or none that can be opened. */
export function readQuicHello(datagram: Buffer, reassemble = true): TlsHello | null {
  if (!startsQuicInitial(datagram)) return null;
  try {
    const payload = openInitial(datagram);
    const hello = payload === null ? null : readHelloMessage(cryptoBytes(payload, reassemble));
    return hello === false ? null : hello;
  } catch {
    // Cut short, or sealed with other keys: it passes as what cannot be read.
    return null;
  }
}
