// Data types of SSH (RFC 4251 §5), as far as its transport layer and the beginning of its authentication need them.
import { TunnelError } from '../../../errors.ts';

/** Message numbers (RFC 4250 §4.1.2). */
export const MESSAGE = {
  disconnect: 1,
  ignore: 2,
  unimplemented: 3,
  debug: 4,
  serviceRequest: 5,
  serviceAccept: 6,
  extInfo: 7,
  kexInit: 20,
  newKeys: 21,
  ecdhInit: 30,
  ecdhReply: 31,
  userauthRequest: 50,
  userauthFailure: 51,
} as const;

/** Reasons of a disconnect message (RFC 4253 §11.1). */
export const PROTOCOL_ERROR = 2;

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function string(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A number without a sign, from its bytes with the highest first. */
export function mpint(value: Buffer): Buffer {
  const start = value.findIndex((byte) => byte !== 0);
  if (start === -1) return uint32(0);
  const short = value.subarray(start);
  return string((short[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), short]) : short);
}

export function message(type: number, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(type), ...parts]);
}

/** Reads the parts of one message. Throws a `TunnelError` (`violation`) at its end. */
export class MessageReader {
  readonly #bytes: Buffer;
  #at: number;

  /** Starts behind the message's number. */
  constructor(bytes: Buffer, at = 1) {
    this.#bytes = bytes;
    this.#at = at;
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new TunnelError('violation', 'a message of SSH is too short');
    const piece = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE();
  }

  string(): Buffer {
    return this.bytes(this.uint32());
  }

  names(): string[] {
    return this.string().toString('latin1').split(',');
  }
}
