// The body of a message without a declared length (RFC 9112 §7.1), without extensions and trailers, of which we send none.
import { TunnelError } from '../../../errors.ts';
import type { Framer, Unframer } from '../framing.ts';

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** Chunks below 256 MiB. */
const MAX_SIZE_DIGITS = 7;

const CR = 0x0d;
const LF = 0x0a;

/** Writes chunks: one for each write. `makeHead` gives what goes before the first. */
export class ChunkedFramer implements Framer {
  #makeHead: (() => Buffer) | null;

  constructor(makeHead: () => Buffer) {
    this.#makeHead = makeHead;
  }

  #takeHead(): Buffer[] {
    const head = this.#makeHead?.();
    this.#makeHead = null;
    return head === undefined ? [] : [head];
  }

  frame(bytes: Buffer): readonly Buffer[] {
    if (bytes.length === 0) return this.#takeHead();
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1');
    const pieces = [size, bytes, CRLF];
    return this.#makeHead === null ? pieces : [Buffer.concat([...this.#takeHead(), ...pieces])];
  }

  end(): readonly Buffer[] {
    return [...this.#takeHead(), LAST_CHUNK];
  }
}

/** Where in a chunk the next byte lies. */
type Place = 'size' | 'size-end' | 'body' | 'body-end-cr' | 'body-end-lf' | 'last-cr' | 'last-lf' | 'over';

/** Reads chunks. `takeHead` looks at what comes first and tells how many bytes of it are no body; null while that cannot be told. */
export class ChunkedUnframer implements Unframer {
  #place: Place = 'size';
  #digits = '';
  #left = 0;
  readonly #takeHead: ((bytes: Buffer) => number | null) | null;
  #early: Buffer | null;

  constructor(takeHead: ((bytes: Buffer) => number | null) | null = null) {
    this.#takeHead = takeHead;
    this.#early = takeHead === null ? null : Buffer.alloc(0);
  }

  get hasEnded(): boolean {
    return this.#place === 'over';
  }

  push(bytes: Buffer, onBytes: (bytes: Buffer) => void): void {
    let body = bytes;
    if (this.#early !== null) {
      const early: Buffer = Buffer.concat([this.#early, bytes]);
      const headBytes = this.#takeHead?.(early) ?? null;
      this.#early = headBytes === null ? early : null;
      if (headBytes === null) return;
      body = early.subarray(headBytes);
    }
    this.#read(body, onBytes);
  }

  #read(bytes: Buffer, onBytes: (bytes: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length && this.#place !== 'over') {
      if (this.#place === 'body') {
        const piece = bytes.subarray(at, at + this.#left);
        this.#left -= piece.length;
        at += piece.length;
        if (this.#left === 0) this.#place = 'body-end-cr';
        onBytes(piece);
      } else {
        this.#step(bytes[at] ?? 0);
        at += 1;
      }
    }
  }

  #step(byte: number): void {
    switch (this.#place) {
      case 'size':
        if (byte === CR && this.#digits !== '') this.#place = 'size-end';
        else this.#digit(byte);
        return;
      case 'size-end':
        this.#expect(byte, LF);
        this.#left = Number.parseInt(this.#digits, 16);
        this.#digits = '';
        this.#place = this.#left === 0 ? 'last-cr' : 'body';
        return;
      case 'body-end-cr':
        this.#expect(byte, CR);
        this.#place = 'body-end-lf';
        return;
      case 'body-end-lf':
        this.#expect(byte, LF);
        this.#place = 'size';
        return;
      case 'last-cr':
        this.#expect(byte, CR);
        this.#place = 'last-lf';
        return;
      default:
        this.#expect(byte, LF);
        this.#place = 'over';
    }
  }

  #digit(byte: number): void {
    const digit = String.fromCharCode(byte);
    if (!/[0-9a-f]/i.test(digit) || this.#digits.length >= MAX_SIZE_DIGITS) throw violation();
    this.#digits += digit;
  }

  #expect(byte: number, wanted: number): void {
    if (byte !== wanted) throw violation();
  }
}

function violation(): TunnelError {
  return new TunnelError('violation', 'not a chunk');
}
