// The binary packet protocol of SSH (RFC 4253 §6): in the clear, and with AES in counter mode (RFC 4344) and HMAC-SHA-2 (RFC 6668).
import {
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createHmac,
  type Decipheriv,
  timingSafeEqual,
} from 'node:crypto';
import type { DrawBytes } from './draw-bytes.ts';
import { uint32 } from './wire.ts';

/** The keys of one direction. */
export interface DirectionKeys {
  readonly cipher: CipherName;
  readonly mac: MacName;
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly macKey: Buffer;
}

export type CipherName = 'aes128-ctr' | 'aes192-ctr' | 'aes256-ctr';
export type MacName = 'hmac-sha2-256' | 'hmac-sha2-512';

/** Bytes of each cipher's key. */
export const CIPHER_KEY_BYTES: Readonly<Record<CipherName, number>> = {
  'aes128-ctr': 16,
  'aes192-ctr': 24,
  'aes256-ctr': 32,
};
/** Bytes of each code and of its key. */
export const MAC_BYTES: Readonly<Record<MacName, number>> = { 'hmac-sha2-256': 32, 'hmac-sha2-512': 64 };
export const IV_BYTES = 16;

const DIGESTS: Readonly<Record<MacName, string>> = { 'hmac-sha2-256': 'sha256', 'hmac-sha2-512': 'sha512' };

const CLEAR_BLOCK_BYTES = 8;
const BLOCK_BYTES = 16;
const LEAST_PADDING_BYTES = 4;
const LENGTH_BYTES = 4;
/** What OpenSSH takes at most, and at least, as a packet's length. */
const MOST_PACKET_BYTES = 256 * 1024;
const LEAST_PACKET_BYTES = 5;

/** What is wrong with a packet, in the order in which it shows. */
export type PacketFault = 'length' | 'mac' | 'padding';

/** A packet that is none. */
export class PacketError extends Error {
  readonly fault: PacketFault;

  constructor(fault: PacketFault) {
    super(`not a packet of SSH: ${fault}`);
    this.name = 'PacketError';
    this.fault = fault;
  }
}

/** `aes256-ctr` is `aes-256-ctr` there. */
function openSslName(cipher: CipherName): string {
  return cipher.replace('aes', 'aes-');
}

function macOf(keys: DirectionKeys, sequence: number, packet: Buffer): Buffer {
  return createHmac(DIGESTS[keys.mac], keys.macKey).update(uint32(sequence)).update(packet).digest();
}

/** Makes the packets of one direction. */
export class PacketWriter {
  readonly #drawBytes: DrawBytes;
  #keys: DirectionKeys | null = null;
  #cipher: Cipheriv | null = null;
  #sequence = 0;

  constructor(drawBytes: DrawBytes) {
    this.#drawBytes = drawBytes;
  }

  /** From here on packets are sealed. `restart`: sequence numbers begin at 0 again ("strict KEX"). */
  seal(keys: DirectionKeys, restart: boolean): void {
    this.#keys = keys;
    this.#cipher = createCipheriv(openSslName(keys.cipher), keys.key, keys.iv);
    if (restart) this.#sequence = 0;
  }

  packet(payload: Buffer): Buffer {
    const keys = this.#keys;
    const block = keys === null ? CLEAR_BLOCK_BYTES : BLOCK_BYTES;
    const bare = LENGTH_BYTES + 1 + payload.length;
    let paddingBytes = block - (bare % block);
    if (paddingBytes < LEAST_PADDING_BYTES) paddingBytes += block;
    // In the clear OpenSSH pads with zeros.
    const padding = keys === null ? Buffer.alloc(paddingBytes) : this.#drawBytes(paddingBytes);
    const packet = Buffer.concat([
      uint32(1 + payload.length + paddingBytes),
      Buffer.of(paddingBytes),
      payload,
      padding,
    ]);
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) >>> 0;
    if (keys === null || this.#cipher === null) return packet;
    return Buffer.concat([this.#cipher.update(packet), macOf(keys, sequence, packet)]);
  }
}

/** A packet that has come. */
export interface ReadPacket {
  readonly payload: Buffer;
  readonly sequence: number;
}

/** Takes the packets of one direction apart. It never looks beyond the packet that is asked for. */
export class PacketReader {
  #bytes: Buffer = Buffer.alloc(0);
  #keys: DirectionKeys | null = null;
  #decipher: Decipheriv | null = null;
  #sequence = 0;
  /** The decrypted beginning of a packet whose rest has not come. */
  #head: Buffer | null = null;

  push(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  /** Forgets what has come and was not read. */
  clear(): void {
    this.#bytes = Buffer.alloc(0);
  }

  /** What has come behind the last packet that was read. */
  get rest(): Buffer {
    return this.#bytes;
  }

  seal(keys: DirectionKeys, restart: boolean): void {
    this.#keys = keys;
    this.#decipher = createDecipheriv(openSslName(keys.cipher), keys.key, keys.iv);
    if (restart) this.#sequence = 0;
  }

  #decrypt(bytes: Buffer): Buffer {
    return this.#decipher === null ? bytes : this.#decipher.update(bytes);
  }

  /** The next packet; null while it has not come whole. Throws a `PacketError`. */
  next(): ReadPacket | null {
    const block = this.#keys === null ? CLEAR_BLOCK_BYTES : BLOCK_BYTES;
    if (this.#head === null) {
      if (this.#bytes.length < block) return null;
      this.#head = this.#decrypt(this.#bytes.subarray(0, block));
    }
    const lengthBytes = this.#head.readUInt32BE();
    if (lengthBytes < LEAST_PACKET_BYTES || lengthBytes > MOST_PACKET_BYTES) throw new PacketError('length');
    const packetBytes = LENGTH_BYTES + lengthBytes;
    if (packetBytes % block !== 0) throw new PacketError('length');
    const keys = this.#keys;
    const macBytes = keys === null ? 0 : MAC_BYTES[keys.mac];
    if (this.#bytes.length < packetBytes + macBytes) return null;
    const packet = Buffer.concat([this.#head, this.#decrypt(this.#bytes.subarray(block, packetBytes))]);
    const mac = this.#bytes.subarray(packetBytes, packetBytes + macBytes);
    const sequence = this.#sequence;
    if (keys !== null && !timingSafeEqual(macOf(keys, sequence, packet), mac)) throw new PacketError('mac');
    this.#bytes = this.#bytes.subarray(packetBytes + macBytes);
    this.#head = null;
    this.#sequence = (sequence + 1) >>> 0;
    const paddingBytes = packet[LENGTH_BYTES] ?? 0;
    if (paddingBytes < LEAST_PADDING_BYTES || paddingBytes + 1 > lengthBytes) throw new PacketError('padding');
    return { payload: packet.subarray(LENGTH_BYTES + 1, packetBytes - paddingBytes), sequence };
  }
}
