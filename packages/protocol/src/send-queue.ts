import { ByteQueue } from './byte-queue.ts';

/** A run of stream bytes on its way: sent in one frame, and kept until it is acknowledged. */
export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly end: boolean;
}

/**
 * The sending half of a stream: what the application wrote and no carrier has taken yet, what a carrier took and lost, and how far the
 * peer's window reaches. Pure; whoever takes a piece keeps it until it is acknowledged or gives it back with `requeue`.
 */
export class SendQueue {
  readonly #fresh = new ByteQueue();
  #lost: Piece[] = [];
  #lostBytes = 0;
  #offset = 0;
  #limit: number;
  #ended = false;
  #endTaken = false;

  /** @param limit the peer's initial window in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that wait to be taken, for the first time or again. */
  get pendingBytes(): number {
    return this.#fresh.bytes + this.#lostBytes;
  }

  /** The offset of the next new byte: what has been taken at least once lies below it. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether `take` would give something that needs no more session credit than `sessionCredit` bytes. */
  hasWork(sessionCredit: number): boolean {
    if (this.#lost.length > 0) return true;
    if (this.#fresh.bytes > 0) return sessionCredit > 0 && this.#offset < this.#limit;
    return this.#ended && !this.#endTaken;
  }

  push(bytes: Buffer): void {
    this.#fresh.push(bytes);
  }

  /** No more bytes will be pushed. */
  end(): void {
    this.#ended = true;
  }

  /** The peer takes bytes below `limit`; a smaller limit than before is an old message and changes nothing. */
  raiseLimit(limit: number): void {
    if (limit > this.#limit) this.#limit = limit;
  }

  /** Gives back a piece that was lost with its carrier. */
  requeue(piece: Piece): void {
    this.#lost.push(piece);
    this.#lostBytes += piece.bytes.length;
  }

  /** Forgets everything that is not sent yet; `offset` is final afterwards. */
  discard(): void {
    this.#fresh.clear();
    this.#lost = [];
    this.#lostBytes = 0;
    this.#ended = true;
    this.#endTaken = true;
  }

  #takeLost(maxBytes: number): Piece | null {
    const piece = this.#lost[0];
    if (piece === undefined) return null;
    this.#lostBytes -= Math.min(maxBytes, piece.bytes.length);
    if (piece.bytes.length <= maxBytes) {
      this.#lost.shift();
      return piece;
    }
    this.#lost[0] = { offset: piece.offset + maxBytes, bytes: piece.bytes.subarray(maxBytes), end: piece.end };
    return { offset: piece.offset, bytes: piece.bytes.subarray(0, maxBytes), end: false };
  }

  #takeFresh(maxBytes: number): Piece {
    const bytes = maxBytes > 0 ? this.#fresh.take(maxBytes) : undefined;
    if (bytes === undefined) {
      this.#endTaken = true;
      return { offset: this.#offset, bytes: Buffer.alloc(0), end: true };
    }
    const offset = this.#offset;
    this.#offset += bytes.length;
    const end = this.#ended && this.#fresh.bytes === 0;
    if (end) this.#endTaken = true;
    return { offset, bytes, end };
  }

  /**
   * The next piece of at most `maxBytes` (≥ 1) bytes, of which at most `sessionCredit` may be new, or null. Lost pieces come first, and
   * count as new for nobody: `fresh` says how many bytes of session credit the piece uses.
   */
  take(maxBytes: number, sessionCredit: number): { piece: Piece; fresh: number } | null {
    const lost = this.#takeLost(maxBytes);
    if (lost !== null) return { piece: lost, fresh: 0 };
    if (!this.hasWork(sessionCredit)) return null;
    const piece = this.#takeFresh(Math.min(maxBytes, sessionCredit, this.#limit - this.#offset, this.#fresh.bytes));
    return { piece, fresh: piece.bytes.length };
  }
}
