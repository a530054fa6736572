// Records: what a carrier carries after the handshake, in each direction (docs/spec/wire.md §5):
//
//   masked length 3 ‖ ciphertext (length) ‖ tag 16
//
// Every byte is uniform to whoever lacks the keys, the length's included.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { ProtocolError } from './errors.ts';
import { createNonce, deriveKey, TAG_BYTES, tagFits, writeNonce } from './keys.ts';

/** The most plaintext bytes that a record may have: 128 KiB of stream data, and the frames' own bytes. */
export const MAX_RECORD_PLAINTEXT = 131072 + 1024;
const LENGTH_BYTES = 3;
/** Bytes that a record has more than its plaintext. */
export const RECORD_OVERHEAD_BYTES: number = LENGTH_BYTES + TAG_BYTES;
/** Records under one pair of keys; AES-GCM would bear 2^32 (NIST SP 800-38D §8.3). */
export const RECORDS_PER_KEY: number = 2 ** 24;
/** Masks are drawn so many at a time: first a few, so that an idle carrier holds few, then twice as many as before. */
const LEAST_MASKS = 16;
const MOST_MASKS = 1024;
/** AES's block and the counter of its CTR mode. `LEAST_MASKS` fill whole ones. */
const BLOCK_BYTES = 16;
const ZEROS: Buffer = Buffer.alloc(LENGTH_BYTES * MOST_MASKS);
/** Pieces shorter than this are gathered before they are sealed: a call costs more than copying them. */
const GATHER_BYTES = 2048;

/** The keys of one direction of a carrier. */
export interface RecordKeys {
  /** Seals the records; 32 bytes. */
  readonly aeadKey: Buffer;
  /** Masks their lengths; 32 bytes. */
  readonly lengthKey: Buffer;
}

/** The keys of one direction, from that direction's key of Noise's Split. */
export function recordKeysOf(splitKey: Buffer): RecordKeys {
  return { aeadKey: deriveKey(splitKey, 'record aead'), lengthKey: deriveKey(splitKey, 'record length') };
}

function nextRecordKeys({ aeadKey, lengthKey }: RecordKeys): RecordKeys {
  return { aeadKey: deriveKey(aeadKey, 'next record aead'), lengthKey: deriveKey(lengthKey, 'next record length') };
}

/** Settings that tests change. */
export interface RecordOptions {
  /** Both ends must agree; `RECORDS_PER_KEY` unless told. */
  readonly recordsPerKey?: number;
}

/** The keys, counter and length masks of one direction, record after record. */
class RecordSchedule {
  readonly #recordsPerKey: number;
  readonly #nonce: Buffer = createNonce();
  #keys: RecordKeys;
  #counter = 0;
  /** Those of the records from `#firstMasked` on. */
  #masks: Buffer = ZEROS.subarray(0, 0);
  #firstMasked = 0;

  constructor(keys: RecordKeys, { recordsPerKey = RECORDS_PER_KEY }: RecordOptions) {
    this.#recordsPerKey = recordsPerKey;
    this.#keys = keys;
  }

  get key(): Buffer {
    return this.#keys.aeadKey;
  }

  /** The nonce of the present record; overwritten by `advance`. */
  get nonce(): Buffer {
    return this.#nonce;
  }

  /** What the present record's length is XORed with. */
  mask(): number {
    let offset = (this.#counter - this.#firstMasked) * LENGTH_BYTES;
    if (offset >= this.#masks.length) {
      this.#drawMasks();
      offset = 0;
    }
    return this.#masks.readUIntBE(offset, LENGTH_BYTES);
  }

  /** A cipher that waited for the next draw would cost an idle carrier more than the masks. */
  #drawMasks(): void {
    const bytes = Math.min(LENGTH_BYTES * MOST_MASKS, Math.max(LENGTH_BYTES * LEAST_MASKS, 2 * this.#masks.length));
    const block = Buffer.alloc(BLOCK_BYTES);
    block.writeUInt32BE((this.#counter * LENGTH_BYTES) / BLOCK_BYTES, BLOCK_BYTES - 4);
    this.#masks = createCipheriv('aes-256-ctr', this.#keys.lengthKey, block).update(ZEROS.subarray(0, bytes));
    this.#firstMasked = this.#counter;
  }

  /** Goes on to the next record. */
  advance(): void {
    this.#counter += 1;
    if (this.#counter === this.#recordsPerKey) {
      this.#counter = 0;
      this.#keys = nextRecordKeys(this.#keys);
      this.#masks = ZEROS.subarray(0, 0);
      this.#firstMasked = 0;
    }
    writeNonce(this.#nonce, this.#counter);
  }
}

/** Seals one direction's records. */
export class RecordSealer {
  readonly #schedule: RecordSchedule;

  constructor(keys: RecordKeys, options: RecordOptions = {}) {
    this.#schedule = new RecordSchedule(keys, options);
  }

  /**
   * Seals the pieces, joined, as one record, and returns the bytes to send in order. Big pieces are not copied before sealing.
   * Throws `out-of-bounds` when there is nothing to seal or more than `MAX_RECORD_PLAINTEXT`.
   */
  seal(pieces: readonly Buffer[]): Buffer[] {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    if (length < 1 || length > MAX_RECORD_PLAINTEXT) throw new ProtocolError('out-of-bounds', 'record length');
    const schedule = this.#schedule;
    const head = Buffer.allocUnsafe(LENGTH_BYTES);
    head.writeUIntBE(length ^ schedule.mask(), 0, LENGTH_BYTES);
    const cipher = createCipheriv('aes-256-gcm', schedule.key, schedule.nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(head);
    const sealed = [head];
    for (const piece of gather(pieces)) sealed.push(cipher.update(piece));
    cipher.final();
    sealed.push(cipher.getAuthTag());
    schedule.advance();
    return gather(sealed);
  }
}

/** The same bytes with runs of small pieces joined. */
function gather(pieces: readonly Buffer[]): Buffer[] {
  const gathered: Buffer[] = [];
  let from = 0;
  const endRun = (to: number) => {
    if (to - from > 1) gathered.push(Buffer.concat(pieces.slice(from, to)));
    else gathered.push(...pieces.slice(from, to));
  };
  for (const [index, piece] of pieces.entries()) {
    if (piece.length < GATHER_BYTES) continue;
    endRun(index);
    gathered.push(piece);
    from = index + 1;
  }
  endRun(pieces.length);
  return gathered;
}

/** Opens one direction's records from bytes that come in any pieces. */
export class RecordOpener {
  readonly #schedule: RecordSchedule;
  readonly #input = new RecordInput();
  readonly #head: Buffer = Buffer.alloc(LENGTH_BYTES);
  /** Plaintext bytes of the record that is coming; 0 while its length has not come. */
  #length = 0;
  #failed = false;

  constructor(keys: RecordKeys, options: RecordOptions = {}) {
    this.#schedule = new RecordSchedule(keys, options);
  }

  /** Takes bytes from the carrier; the caller must not change them afterwards. Then call `next` until it returns null. */
  push(chunk: Buffer): void {
    if (!this.#failed) this.#input.push(chunk);
  }

  /**
   * The next record's plaintext, or null when it is not all there yet. Throws `not-authentic` when a record is not what the peer
   * sealed, and from then on every time.
   */
  next(): Buffer | null {
    if (this.#failed) throw notAuthentic();
    if (this.#length === 0) {
      const head = this.#input.take(LENGTH_BYTES);
      if (head === null) return null;
      head.copy(this.#head);
      this.#length = head.readUIntBE(0, LENGTH_BYTES) ^ this.#schedule.mask();
      if (this.#length < 1 || this.#length > MAX_RECORD_PLAINTEXT) this.#fail();
    }
    const sealed = this.#input.take(this.#length + TAG_BYTES);
    if (sealed === null) return null;
    const { key, nonce } = this.#schedule;
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#head);
    decipher.setAuthTag(sealed.subarray(this.#length));
    const plaintext = decipher.update(sealed.subarray(0, this.#length));
    if (!tagFits(decipher)) this.#fail();
    this.#length = 0;
    this.#schedule.advance();
    return plaintext;
  }

  #fail(): never {
    this.#failed = true;
    this.#input.clear();
    throw notAuthentic();
  }
}

function notAuthentic(): ProtocolError {
  return new ProtocolError('not-authentic', 'a record is not authentic');
}

/**
 * Bytes from which runs of a known length are taken. A run that lies within one chunk is a view of it; one that spans chunks is
 * assembled once, in a buffer that is used again for the next such run and let go when the input runs dry.
 */
class RecordInput {
  /** Chunks not looked at yet, and how much of the first has been taken. */
  #chunks: Buffer[] = [];
  #index = 0;
  #offset = 0;
  #assembly: Buffer | null = null;
  #assembled = 0;

  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  clear(): void {
    this.#chunks = [];
    this.#index = 0;
    this.#offset = 0;
    this.#assembly = null;
    this.#assembled = 0;
  }

  /** The next `count` bytes, valid until the next call, or null when they are not all there; then ask for the same count again. */
  take(count: number): Buffer | null {
    const chunk = this.#chunks[this.#index];
    if (this.#assembled === 0 && chunk !== undefined && chunk.length - this.#offset >= count) {
      const start = this.#offset;
      this.#skip(chunk, count);
      return chunk.subarray(start, start + count);
    }
    return this.#assemble(count);
  }

  #assemble(count: number): Buffer | null {
    let chunk = this.#chunks[this.#index];
    if (chunk === undefined && this.#assembled === 0) {
      this.#assembly = null;
      return null;
    }
    if (this.#assembly === null || this.#assembly.length < count) this.#assembly = Buffer.allocUnsafeSlow(count);
    const assembly = this.#assembly;
    while (chunk !== undefined && this.#assembled < count) {
      const end = Math.min(chunk.length, this.#offset + count - this.#assembled);
      this.#assembled += chunk.copy(assembly, this.#assembled, this.#offset, end);
      this.#skip(chunk, end - this.#offset);
      chunk = this.#chunks[this.#index];
    }
    if (this.#assembled < count) return null;
    this.#assembled = 0;
    return assembly.subarray(0, count);
  }

  #skip(chunk: Buffer, count: number): void {
    this.#offset += count;
    if (this.#offset < chunk.length) return;
    this.#offset = 0;
    this.#index += 1;
    if (this.#index < this.#chunks.length) return;
    this.#chunks = [];
    this.#index = 0;
  }
}
