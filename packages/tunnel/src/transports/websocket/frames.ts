// The frames of RFC 6455 §5.2, as far as a tunnel needs them: binary messages without extensions.
import { TunnelError } from '../../errors.ts';
import { MAX_CONTROL_BYTES, MAX_FRAME_BYTES } from './limits.ts';

/** What a frame is. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const OPCODE_BITS = 0x0f;
const MASK_BIT = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MASK_BYTES = 4;
/** Two bytes, eight of length, four of mask. */
const MAX_HEADER_BYTES = 14;

/** Bytes of a header for a payload of such a length. */
export function headerBytes(payloadBytes: number, isMasked: boolean): number {
  return (
    2 + extraBytes(payloadBytes < 65_536 ? Math.min(payloadBytes, LENGTH_16) : LENGTH_64) + (isMasked ? MASK_BYTES : 0)
  );
}

/** Bytes of length beyond the seven bits in the second byte. */
function extraBytes(shortLength: number): number {
  if (shortLength < LENGTH_16) return 0;
  return shortLength === LENGTH_16 ? 2 : 8;
}

/** Writes the header of a whole message at `at`; `mask` behind it, where there is one. Returns where the payload begins. */
export function writeHeader(
  target: Buffer,
  at: number,
  {
    opcode,
    payloadBytes,
    mask,
  }: { readonly opcode: number; readonly payloadBytes: number; readonly mask: Buffer | null },
): number {
  const maskBit = mask === null ? 0 : MASK_BIT;
  target[at] = FIN | opcode;
  let next = at + 2;
  if (payloadBytes < LENGTH_16) {
    target[at + 1] = maskBit | payloadBytes;
  } else if (payloadBytes < 65_536) {
    target[at + 1] = maskBit | LENGTH_16;
    next = target.writeUInt16BE(payloadBytes, next);
  } else {
    target[at + 1] = maskBit | LENGTH_64;
    next = target.writeBigUInt64BE(BigInt(payloadBytes), next);
  }
  return mask === null ? next : next + mask.copy(target, next);
}

/** Masks or unmasks in place; `phase` is how many payload bytes came before. */
export function applyMask(bytes: Buffer, mask: Buffer, phase: number): void {
  let at = 0;
  const misaligned = (4 - (bytes.byteOffset & 3)) & 3;
  const headEnd = Math.min(misaligned, bytes.length);
  for (; at < headEnd; at++) bytes[at] = (bytes[at] ?? 0) ^ (mask[(phase + at) & 3] ?? 0);
  const wordCount = (bytes.length - at) >> 2;
  if (wordCount > 0) {
    const rotated = Buffer.allocUnsafeSlow(4);
    for (let index = 0; index < 4; index++) rotated[index] = mask[(phase + at + index) & 3] ?? 0;
    const word = new Uint32Array(rotated.buffer, 0, 1)[0] ?? 0;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, wordCount);
    for (let index = 0; index < wordCount; index++) words[index] = (words[index] ?? 0) ^ word;
    at += wordCount << 2;
  }
  for (; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ (mask[(phase + at) & 3] ?? 0);
}

/** What comes out of frames. */
export interface FrameEvents {
  /** A piece of a message; it lies in the bytes that were pushed. */
  onData(piece: Buffer): void;
  /** A whole message without content. */
  onEmptyMessage(): void;
  onPing(payload: Buffer): void;
  onClose(): void;
}

/** Takes frames apart, in pieces of any size. Keeps headers and control frames only. */
export class FrameDecoder {
  readonly #isServer: boolean;
  readonly #events: FrameEvents;
  readonly #header: Buffer = Buffer.alloc(MAX_HEADER_BYTES);
  #headerBytes = 0;
  readonly #mask: Buffer = Buffer.alloc(MASK_BYTES);
  #opcode = 0;
  #payloadBytes = 0;
  #leftBytes = 0;
  /** Between the first and the last frame of a message. */
  #isInMessage = false;
  readonly #control: Buffer = Buffer.alloc(MAX_CONTROL_BYTES);

  /** `isServer`: whether the peer is a client, which has to mask. */
  constructor(isServer: boolean, events: FrameEvents) {
    this.#isServer = isServer;
    this.#events = events;
  }

  /** Whether a frame is incomplete. */
  get isInFrame(): boolean {
    return this.#headerBytes > 0 || this.#leftBytes > 0;
  }

  /** Takes the next bytes, which it changes. Throws a `TunnelError` (`violation`) for what is no frame that was agreed on. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#leftBytes === 0) {
        at = this.#readHeader(bytes, at);
        continue;
      }
      const piece = bytes.subarray(at, at + this.#leftBytes);
      at += piece.length;
      this.#readPayload(piece);
    }
  }

  #readHeader(bytes: Buffer, from: number): number {
    const header = this.#header;
    let at = from;
    while (at < bytes.length) {
      header[this.#headerBytes++] = bytes[at++] ?? 0;
      if (this.#headerBytes < 2) continue;
      const second = header[1] ?? 0;
      if (this.#headerBytes === 2) this.#checkStart(header[0] ?? 0, second);
      const extra = extraBytes(second & 0x7f);
      if (this.#headerBytes < 2 + extra + (this.#isServer ? MASK_BYTES : 0)) continue;
      this.#begin(second & 0x7f, extra);
      return at;
    }
    return at;
  }

  #checkStart(first: number, second: number): void {
    const opcode = first & OPCODE_BITS;
    const isFinal = (first & FIN) !== 0;
    if ((first & RESERVED_BITS) !== 0) throw violation('an extension that was not agreed on');
    if (((second & MASK_BIT) !== 0) !== this.#isServer) throw violation('a mask where there is none, or none');
    if (opcode >= OPCODE.close) {
      const isKnown = opcode <= OPCODE.pong && isFinal && (second & 0x7f) <= MAX_CONTROL_BYTES;
      if (!isKnown) throw violation('a control frame that is none');
      return;
    }
    const isStart = opcode === OPCODE.binary;
    if (!isStart && opcode !== OPCODE.continuation) throw violation('no binary message');
    if (isStart === this.#isInMessage) throw violation('a message in a message, or none to go on with');
  }

  #begin(shortLength: number, extra: number): void {
    const header = this.#header;
    const first = header[0] ?? 0;
    if (extra === 0) this.#payloadBytes = shortLength;
    else if (extra === 2) this.#payloadBytes = header.readUInt16BE(2);
    else this.#payloadBytes = Number(header.readBigUInt64BE(2));
    if (this.#payloadBytes > MAX_FRAME_BYTES) throw violation('a frame without end');
    if (this.#isServer) header.copy(this.#mask, 0, 2 + extra, 2 + extra + MASK_BYTES);
    this.#headerBytes = 0;
    this.#opcode = first & OPCODE_BITS;
    this.#leftBytes = this.#payloadBytes;
    const isFinal = (first & FIN) !== 0;
    const wasInMessage = this.#isInMessage;
    if (this.#opcode < OPCODE.close) this.#isInMessage = !isFinal;
    if (this.#payloadBytes > 0) return;
    if (this.#opcode >= OPCODE.close) this.#endControl();
    else if (isFinal && !wasInMessage) this.#events.onEmptyMessage();
  }

  #readPayload(piece: Buffer): void {
    const before = this.#payloadBytes - this.#leftBytes;
    if (this.#isServer) applyMask(piece, this.#mask, before);
    this.#leftBytes -= piece.length;
    if (this.#opcode < OPCODE.close) {
      this.#events.onData(piece);
      return;
    }
    piece.copy(this.#control, before);
    if (this.#leftBytes === 0) this.#endControl();
  }

  #endControl(): void {
    if (this.#opcode === OPCODE.close) this.#events.onClose();
    else if (this.#opcode === OPCODE.ping)
      this.#events.onPing(Buffer.from(this.#control.subarray(0, this.#payloadBytes)));
  }
}

function violation(message: string): TunnelError {
  return new TunnelError('violation', `not the WebSocket protocol: ${message}`);
}
