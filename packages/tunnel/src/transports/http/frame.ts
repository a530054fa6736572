// Bodies of requests and answers: frames whose heads are masked and which carry a tag each (docs/spec/transport-http.md §4).
import { type Cipheriv, createCipheriv, createDecipheriv } from 'node:crypto';
import { ProtocolError } from '@rozan/protocol';
import type { BodyKeys } from './connection-keys.ts';
import { COPIED_BYTES, FRAMES_PER_MESSAGE, LEAST_FRAME_BYTES, MAX_FRAME_BYTES } from './limits.ts';

/** Bytes of a frame's head and tag. */
const HEAD_BYTES = 24;
const TAG_BYTES = 16;

const END = 1;
const RESET = 2;
const LAST = 4;

/** What a frame says; offsets count bytes of the stream in this direction, `ack` and `limit` those of the other. */
export interface FrameHead {
  readonly offset: number;
  readonly ack: number;
  readonly limit: number;
  /** The stream ends behind these bytes. */
  readonly end: boolean;
  /** The sender has broken the connection off. */
  readonly reset: boolean;
  /** No other frame follows in this body. */
  readonly last: boolean;
}

/** A frame as it arrived: authentic, its bytes in the pieces in which they came. */
export interface Frame extends FrameHead {
  readonly pieces: readonly Buffer[];
}

/** The bytes of data that each frame of a message of so many should have. */
export function frameBytesFor(messageBytes: number): number {
  return Math.min(MAX_FRAME_BYTES, Math.max(LEAST_FRAME_BYTES, Math.ceil(messageBytes / FRAMES_PER_MESSAGE)));
}

/** A body is known by its keys, and by the number of its request. */
export interface BodyName {
  readonly keys: BodyKeys;
  readonly number: number;
}

function createMask({ keys, number }: BodyName): Cipheriv {
  const iv = Buffer.alloc(16);
  iv.writeUInt32BE(number, 0);
  return createCipheriv('aes-256-ctr', keys.mask, iv);
}

function createTagNonce({ number }: BodyName, index: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 4);
  nonce.writeUInt32BE(index, 8);
  return nonce;
}

/** Makes the frames of one body, in order. */
export class FrameSealer {
  readonly #name: BodyName;
  readonly #mask: Cipheriv;
  #index = 0;

  constructor(name: BodyName) {
    this.#name = name;
    this.#mask = createMask(name);
  }

  /** The bytes of a frame; `pieces` are used as they are. At most `MAX_FRAME_BYTES` of data. */
  seal(head: FrameHead, pieces: readonly Buffer[], padding: Buffer): Buffer[] {
    const plain = Buffer.alloc(HEAD_BYTES);
    let dataBytes = 0;
    for (const { length } of pieces) dataBytes += length;
    plain.writeUIntBE(dataBytes, 0, 3);
    plain.writeUInt16BE(padding.length, 3);
    plain[5] = (head.end ? END : 0) | (head.reset ? RESET : 0) | (head.last ? LAST : 0);
    plain.writeUIntBE(head.offset, 6, 6);
    plain.writeUIntBE(head.ack, 12, 6);
    plain.writeUIntBE(head.limit, 18, 6);
    // Each piece costs a call for the tag and a write.
    const isFine = pieces.length > 4 && dataBytes < pieces.length * COPIED_BYTES;
    const chunks = [this.#mask.update(plain), ...(isFine ? [Buffer.concat(pieces)] : pieces)];
    if (padding.length > 0) chunks.push(padding);
    const cipher = createCipheriv('aes-256-gcm', this.#name.keys.tag, createTagNonce(this.#name, this.#index++), {
      authTagLength: TAG_BYTES,
    });
    for (const chunk of chunks) cipher.setAAD(chunk);
    cipher.final();
    chunks.push(cipher.getAuthTag());
    return chunks;
  }
}

type Part = 'head' | 'data' | 'padding' | 'tag';

/** Reads the frames of one body from bytes in pieces of any size. */
export class FrameOpener {
  readonly #name: BodyName;
  readonly #mask: Cipheriv;
  #index = 0;
  #part: Part = 'head';
  #wanted = HEAD_BYTES;
  #parts: Buffer[] = [];
  /** Everything of the present frame that its tag covers. */
  #covered: Buffer[] = [];
  #head: (FrameHead & { readonly paddingBytes: number }) | null = null;
  #data: Buffer[] = [];
  #isOver = false;

  constructor(name: BodyName) {
    this.#name = name;
    this.#mask = createMask(name);
  }

  /** Whether the last frame has come. */
  get complete(): boolean {
    return this.#isOver;
  }

  /** Frames that are whole now. Throws a `ProtocolError` for what the other end has not made, or what follows the last frame. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#isOver) throw new ProtocolError('malformed', 'bytes behind the last frame');
      const piece = chunk.subarray(offset, offset + this.#wanted);
      offset += piece.length;
      this.#wanted -= piece.length;
      this.#parts.push(piece.length < COPIED_BYTES && chunk.length > 4 * piece.length ? Buffer.from(piece) : piece);
      while (this.#wanted === 0 && !this.#isOver) {
        const frame = this.#finishPart();
        if (frame !== null) frames.push(frame);
      }
    }
    return frames;
  }

  #finishPart(): Frame | null {
    const parts = this.#parts;
    this.#parts = [];
    switch (this.#part) {
      case 'head':
        this.#covered = [Buffer.concat(parts)];
        this.#readHead(this.#mask.update(this.#covered[0] ?? Buffer.alloc(0)));
        return null;
      case 'data':
        this.#data = parts;
        this.#covered.push(...parts);
        this.#expect('padding', this.#head?.paddingBytes ?? 0);
        return null;
      case 'padding':
        this.#covered.push(...parts);
        this.#expect('tag', TAG_BYTES);
        return null;
      case 'tag':
        return this.#finishFrame(Buffer.concat(parts));
    }
  }

  #expect(part: Part, bytes: number): void {
    this.#part = part;
    this.#wanted = bytes;
  }

  #readHead(plain: Buffer): void {
    const dataBytes = plain.readUIntBE(0, 3);
    if (dataBytes > MAX_FRAME_BYTES) throw new ProtocolError('out-of-bounds', 'a frame too large');
    const flags = plain.readUInt8(5);
    this.#head = {
      paddingBytes: plain.readUInt16BE(3),
      end: (flags & END) !== 0,
      reset: (flags & RESET) !== 0,
      last: (flags & LAST) !== 0,
      offset: plain.readUIntBE(6, 6),
      ack: plain.readUIntBE(12, 6),
      limit: plain.readUIntBE(18, 6),
    };
    this.#expect('data', dataBytes);
  }

  #finishFrame(tag: Buffer): Frame {
    const decipher = createDecipheriv('aes-256-gcm', this.#name.keys.tag, createTagNonce(this.#name, this.#index++), {
      authTagLength: TAG_BYTES,
    });
    for (const bytes of this.#covered) decipher.setAAD(bytes);
    decipher.setAuthTag(tag);
    try {
      decipher.final();
    } catch {
      throw new ProtocolError('not-authentic', 'the tag of a frame does not fit');
    }
    const head = this.#head;
    if (head === null) throw new ProtocolError('malformed', 'a frame without a head');
    this.#isOver = head.last;
    this.#expect('head', HEAD_BYTES);
    this.#covered = [];
    const pieces = this.#data;
    this.#data = [];
    return { ...head, pieces };
  }
}
