import { Duplex } from 'node:stream';
import {
  ByteQueue,
  type DataFrame,
  freeMemory,
  type GrowthPool,
  type Piece,
  ProtocolError,
  Reassembly,
  ReceiveWindow,
  type ResetCode,
  SendQueue,
} from '@rozan/protocol';
import { BORROWED_PIECE_BYTES, FREED_BYTES, MAX_SPARE_PIECES, STREAM_WINDOW } from '../limits.ts';
import { StreamResetError } from './stream-reset-error.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** What a stream needs of its session. */
export interface StreamHost {
  nowMs(): number;
  roundTripMs(): number;
  /** What the windows of all streams share. */
  readonly growth: GrowthPool;
  /** The stream has something to send. */
  schedule(stream: SessionStream): void;
  /** Whether the session takes more bytes from applications now; if not, it calls `resumeWriting` when it does. */
  takesMore(stream: SessionStream): boolean;
  /** Bytes were added to what waits for a carrier. */
  pendingAdded(bytes: number): void;
  /** The reader consumed bytes, so the session's window moves. */
  consumed(bytes: number): void;
  /** So many runs more, or fewer, are held behind gaps. */
  runsHeld(runs: number): void;
  sendWindow(stream: SessionStream, limit: number): void;
  sendReset(stream: SessionStream, code: ResetCode): void;
  /** Both directions are over and everything is told: the session can forget the stream. */
  finished(stream: SessionStream): void;
}

/** A copy of bytes that would keep a much larger record in memory while they wait for a reader. */
function compact(bytes: Buffer): Buffer {
  return bytes.length * 4 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes;
}

type WriteDone = (error?: Error | null) => void;

/**
 * A stream as the application sees it. The session moves its bytes: it takes pieces to send, hands in pieces received and tells of windows,
 * acknowledgements and resets.
 */
export class SessionStream extends Duplex implements TunnelStream {
  readonly id: number;
  readonly opened: Promise<void>;
  readonly sendQueue: SendQueue = new SendQueue(STREAM_WINDOW.initialBytes);
  /** At the relay: whether its OPEN frame has arrived. */
  announced = false;
  readonly #host: StreamHost;
  readonly #reassembly = new Reassembly();
  readonly #window: ReceiveWindow;
  readonly #ready = new ByteQueue();
  #accounted = 0;
  #heldRuns = 0;
  /** Bytes that stand in the stream's own buffer: the reader has not taken them. */
  #parkedBytes = 0;
  #wanted = false;
  #endPushed = false;
  #heldWrite: WriteDone | null = null;
  #wantsDrain = false;
  #isOpened = false;
  /** Memory made by `writeBorrowed`, and how much of it is not acknowledged yet. */
  #ownedLeft: Map<ArrayBufferLike, number> | null = null;
  /** Memory of acknowledged pieces, for the next ones. */
  #spare: Buffer[] = [];
  /** Memory of records that hold nothing but one run of this stream. */
  #soleRuns: WeakSet<ArrayBufferLike> | null = null;
  #resolveOpened: () => void = () => {};
  #rejectOpened: (error: Error) => void = () => {};
  /** The end of the sending direction, as far as it is told: nothing, in flight, acknowledged. */
  #sendEnd: 'open' | 'told' | 'acknowledged' = 'open';
  /** Pieces that carriers have taken and that are neither acknowledged nor lost. */
  #piecesInFlight = 0;
  #resetBy: 'us' | 'peer' | null = null;
  #resetCode: ResetCode = 'cancelled';

  constructor(id: number, host: StreamHost) {
    // The least mark there is: what a slow reader leaves waits here, where it is counted, and not in the stream's own buffer.
    super({ allowHalfOpen: true, readableHighWaterMark: 1 });
    this.id = id;
    this.#host = host;
    this.#window = new ReceiveWindow(STREAM_WINDOW, host.nowMs(), host.growth);
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    this.opened.catch(() => {});
    // A reset may come before the owner has a listener of its own, who then sees `close`.
    this.on('error', () => {});
  }

  /** The relay has connected to the target. */
  noteOpened(): void {
    this.#isOpened = true;
    this.#resolveOpened();
  }

  reset(code: ResetCode): void {
    this.#resetCode = code;
    this.destroy();
  }

  // --- the application's side -----------------------------------------------------------------------------------------------------

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: WriteDone): void {
    this.sendQueue.push(chunk);
    this.#host.pendingAdded(chunk.length);
    this.#host.schedule(this);
    if (this.#host.takesMore(this)) done();
    else this.#heldWrite = done;
  }

  /** Writes bytes that are only lent; see `ConnExtras`. They are copied once, into memory that is freed when they are acknowledged. */
  writeBorrowed(bytes: Buffer): boolean {
    // Behind what waits in the stream they have to wait too.
    if (this.writableLength > 0 || this.writableEnded || this.destroyed) return this.write(Buffer.from(bytes));
    for (let from = 0; from < bytes.length; from += BORROWED_PIECE_BYTES) {
      const size = Math.min(BORROWED_PIECE_BYTES, bytes.length - from);
      const own = this.#ownMemory(size);
      bytes.copy(own, 0, from, from + size);
      if (size >= FREED_BYTES) {
        this.#ownedLeft ??= new Map();
        this.#ownedLeft.set(own.buffer, size);
      }
      this.sendQueue.push(own);
    }
    this.#host.pendingAdded(bytes.length);
    this.#host.schedule(this);
    this.#wantsDrain = !this.#host.takesMore(this);
    return !this.#wantsDrain;
  }

  /** Takes up to `toBytes` from the start; see `ReceiveWindow.widen`. */
  widen(toBytes: number, reservedBytes: number): void {
    const limit = this.#window.widen(toBytes, reservedBytes);
    if (limit !== null) this.#host.sendWindow(this, limit);
  }

  /** See `ConnExtras`. */
  releaseRead(bytes: Buffer): void {
    if (this.#soleRuns?.delete(bytes.buffer)) freeMemory(bytes);
  }

  override _final(done: WriteDone): void {
    this.sendQueue.end();
    this.#host.schedule(this);
    done();
  }

  override _read(): void {
    this.#wanted = true;
    const taken = this.#parkedBytes;
    this.#parkedBytes = 0;
    this.#accounted += taken;
    if (taken > 0) this.#consume(taken);
    this.#deliver();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error instanceof StreamResetError) this.#resetCode = error.resetCode;
    if (!this.#isOpened) this.#rejectOpened(error ?? new StreamResetError(this.#resetCode));
    const clean = this.#sendEnd !== 'open' && this.#reassembly.complete;
    // What was written but is not on its way yet still goes out when both directions ended cleanly.
    const ending = this.writableFinished && this.#reassembly.complete;
    if (!clean && !ending && this.#resetBy === null) this.#abort('us', this.#resetCode);
    this.#consumeRest();
    this.#window.release();
    const held = this.#heldWrite;
    this.#heldWrite = null;
    held?.();
    done(error);
  }

  #abort(by: 'us' | 'peer', code: ResetCode): void {
    this.#resetBy = by;
    const untold = this.#sendEnd === 'open';
    this.#host.pendingAdded(-this.sendQueue.pendingBytes);
    this.sendQueue.discard();
    if (by === 'us' || untold) {
      this.#sendEnd = 'told';
      this.#host.sendReset(this, code);
    }
  }

  // --- the session's side: sending ------------------------------------------------------------------------------------------------

  /** The next piece to send, as `SendQueue.take`; what it frees lets the application write on. */
  takePiece(maxBytes: number, sessionCredit: number): { piece: Piece; fresh: number } | null {
    const taken = this.sendQueue.take(maxBytes, sessionCredit);
    if (taken === null) return null;
    this.#host.pendingAdded(-taken.piece.bytes.length);
    if (taken.piece.end) this.#sendEnd = 'told';
    this.#piecesInFlight += 1;
    return taken;
  }

  /** Lets the application write on. */
  resumeWriting(): void {
    const done = this.#heldWrite;
    this.#heldWrite = null;
    done?.();
    if (!this.#wantsDrain) return;
    this.#wantsDrain = false;
    this.emit('drain');
  }

  pieceAcknowledged(piece: Piece): void {
    this.#freeOwned(piece.bytes);
    this.#piecesInFlight -= 1;
    if (piece.end) this.#sendEnd = 'acknowledged';
    this.#checkFinished();
  }

  /** Memory for a copy of lent bytes: a bulk transfer goes round in what its acknowledgements give back. */
  #ownMemory(size: number): Buffer {
    if (size < FREED_BYTES) return Buffer.allocUnsafe(size);
    return (size === BORROWED_PIECE_BYTES ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
  }

  /** Takes back memory that `writeBorrowed` has made, once all pieces of it are acknowledged. */
  #freeOwned(bytes: Buffer): void {
    const owned = this.#ownedLeft;
    const left = owned?.get(bytes.buffer);
    if (owned === null || left === undefined) return;
    if (left > bytes.length) {
      owned.set(bytes.buffer, left - bytes.length);
      return;
    }
    owned.delete(bytes.buffer);
    if (bytes.length === BORROWED_PIECE_BYTES && this.#spare.length < MAX_SPARE_PIECES) this.#spare.push(bytes);
    else freeMemory(bytes);
    if (owned.size > 0) return;
    // Nothing is on its way: a stream that rests keeps nothing.
    for (const spare of this.#spare) freeMemory(spare);
    this.#spare = [];
  }

  pieceLost(piece: Piece): void {
    this.#piecesInFlight -= 1;
    if (this.#resetBy !== null) {
      // The bytes are of no use any more, but the peer still has to learn where the stream ends.
      if (piece.end) this.#host.sendReset(this, this.#resetCode);
      return;
    }
    // Until the end is told again, a reset has to tell it.
    if (piece.end) this.#sendEnd = 'open';
    this.sendQueue.requeue(piece);
    this.#host.pendingAdded(piece.bytes.length);
    this.#host.schedule(this);
  }

  /** Our RESET has been acknowledged, so the peer knows how this direction ends. */
  endAcknowledged(): void {
    this.#sendEnd = 'acknowledged';
    this.#checkFinished();
  }

  // --- the session's side: receiving ----------------------------------------------------------------------------------------------

  /**
   * Takes bytes that arrived; returns by how much they raise what counts against the session's window.
   * Throws a `ProtocolError` (`violation`).
   */
  receive({ offset, bytes, end }: Pick<DataFrame, 'offset' | 'bytes' | 'end'>, isSole = false): number {
    const before = this.#reassembly.highest;
    if (offset + bytes.length > this.#window.limit)
      throw new ProtocolError('violation', 'bytes beyond a stream window');
    const ready = this.#reassembly.insert(offset, compact(bytes), end);
    // A run that had to wait may be in several parts, and the memory of one is that of the others.
    if (isSole && bytes.length >= FREED_BYTES && ready[0] === bytes) {
      this.#soleRuns ??= new WeakSet();
      this.#soleRuns.add(bytes.buffer);
    }
    this.noteOpened();
    if (this.destroyed) this.#consumeRest();
    else {
      for (const run of ready) this.#ready.push(run);
      this.#deliver();
    }
    this.#tellHeldRuns();
    this.#checkFinished();
    return this.#reassembly.highest - before;
  }

  #tellHeldRuns(): void {
    const runs = this.#reassembly.heldRuns - this.#heldRuns;
    this.#heldRuns += runs;
    if (runs !== 0) this.#host.runsHeld(runs);
  }

  /** The peer ended the stream; returns as `receive`. */
  receiveReset(code: ResetCode, finalOffset: number): number {
    const before = this.#reassembly.highest;
    if (finalOffset > this.#window.limit) throw new ProtocolError('violation', 'a stream ends beyond its window');
    this.#reassembly.setFinal(finalOffset);
    if (this.#resetBy === null) {
      this.#abort('peer', 'cancelled');
      this.destroy(new StreamResetError(code));
    }
    this.#consumeRest();
    this.#checkFinished();
    return this.#reassembly.highest - before;
  }

  /** The session is lost: nothing is told to anybody any more. */
  sessionLost(code: ResetCode): void {
    const isOver = this.#cleanlyOver();
    this.#resetBy ??= 'peer';
    this.#sendEnd = 'acknowledged';
    this.#host.pendingAdded(-this.sendQueue.pendingBytes);
    this.sendQueue.discard();
    if (!isOver) this.destroy(new StreamResetError(code));
  }

  #cleanlyOver(): boolean {
    const isRead = this.#endPushed || (this.#reassembly.complete && this.#ready.bytes === 0);
    return this.destroyed || (this.writableFinished && isRead && this.sendQueue.pendingBytes === 0);
  }

  #deliver(): void {
    let consumed = 0;
    while (this.#wanted) {
      const run = this.#ready.take();
      if (run === undefined) break;
      // The reader may free the run, and may destroy the stream, which then accounts for the rest.
      const { length } = run;
      this.#accounted += length;
      this.#wanted = this.push(run);
      if (this.#wanted || this.destroyed) consumed += length;
      else {
        this.#accounted -= length;
        this.#parkedBytes += length;
      }
    }
    if (consumed > 0) this.#consume(consumed);
    const isAllTaken = this.#ready.bytes + this.#parkedBytes === 0 && this.#reassembly.complete;
    if (isAllTaken && !this.#endPushed && !this.destroyed) {
      this.#endPushed = true;
      this.#window.release();
      this.push(null);
    }
  }

  #consume(bytes: number): void {
    const limit = this.#window.consume(bytes, this.#host.nowMs(), this.#host.roundTripMs());
    if (limit !== null && this.#reassembly.final === null) this.#host.sendWindow(this, limit);
    this.#host.consumed(bytes);
  }

  /** Nobody will read any more: all that has come counts as consumed, so that the session's window does not leak. */
  #consumeRest(): void {
    this.#ready.clear();
    this.#parkedBytes = 0;
    this.#reassembly.discard();
    this.#tellHeldRuns();
    const rest = this.#reassembly.highest - this.#accounted;
    this.#accounted += rest;
    if (rest > 0) this.#host.consumed(rest);
  }

  #checkFinished(): void {
    if (this.#sendEnd !== 'acknowledged' || this.#reassembly.final === null) return;
    // The end may have overtaken bytes that were on another carrier: those are still to be sent again if that is lost.
    const isAllSent = this.#piecesInFlight === 0 && this.sendQueue.pendingBytes === 0;
    if (this.#resetBy !== null || (isAllSent && this.#reassembly.complete)) this.#host.finished(this);
  }
}
