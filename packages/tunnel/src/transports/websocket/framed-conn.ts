import { Duplex } from 'node:stream';
import { freeMemory } from '@rozan/protocol';
import type { Clock, Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { BorrowedReader, Conn } from '../../network.ts';
import { applyMask, FrameDecoder, headerBytes, OPCODE, writeHeader } from './frames.ts';
import {
  COPIED_WRITE_BYTES,
  FAREWELL_MS,
  GATHER_BYTES,
  LEAST_GATHERED_BYTES,
  MAX_PONG_QUEUE_BYTES,
  SENT_FRAME_BYTES,
} from './limits.ts';

/** What a connection of this transport is made of. */
export interface FramedOptions {
  readonly clock: Clock;
  /** Draws the masks of a client; null at a server, which has none. */
  readonly masks: Random | null;
  readonly remoteAddress: string | undefined;
}

type Done = (error?: Error | null) => void;

/** Status 1000 and 1002 (RFC 6455 §7.4.1). */
const GOODBYE: Buffer = Buffer.from([0x03, 0xe8]);
const COMPLAINT: Buffer = Buffer.from([0x03, 0xea]);

const NO_BYTES: Buffer = Buffer.alloc(0);
const MASK_BYTES = 4;
/** The payload behind a header begins at a multiple of four, so that it is masked by words. */
const ALIGNED_HEADER_BYTES = 16;

/**
 * A byte stream in binary messages. Message boundaries mean nothing, but for one: a message without content is the end of its direction. So
 * each side can end and go on reading; Close frames come when both have ended (docs/spec/transport-websocket.md). A subclass opens it.
 */
export abstract class FramedConn extends Duplex implements Conn {
  readonly remoteAddress: string | undefined;
  readonly forgetsWrites: boolean;
  protected readonly under: Conn;
  protected isOpen = false;
  readonly #clock: Clock;
  readonly #masks: Random | null;
  readonly #decoder: FrameDecoder;
  #reader: BorrowedReader | null = null;
  #wantsMore = true;
  /** The peer has ended its direction. */
  #hasEnded = false;
  /** Pieces of the frame that is coming, for a reader that borrows. */
  #gatherMemory: Buffer | null = null;
  #gatheredBytes = 0;
  /** While what came is not for keeping. */
  #isBorrowing = false;
  /** What `under` lends is overwritten after the call. */
  #isLent = false;
  readonly #listeners = {
    data: (bytes: Buffer) => {
      const isBorrowed = this.#reader !== null;
      this.#isBorrowing = isBorrowed;
      this.#receive(bytes);
      this.#isBorrowing = false;
      // Nobody has a view of it any more. What TLS brings has memory of its own, 65,536 times for a gigabyte.
      if (isBorrowed && bytes.length === bytes.buffer.byteLength) freeMemory(bytes);
    },
    end: () => this.#underEnded(),
    error: (error: Error) => this.destroy(error),
    close: () => this.destroy(),
  };

  constructor(under: Conn, { clock, masks, remoteAddress }: FramedOptions) {
    super({ allowHalfOpen: true });
    this.under = under;
    this.remoteAddress = remoteAddress;
    // What is masked is copied.
    this.forgetsWrites = masks !== null || under.forgetsWrites === true;
    this.#clock = clock;
    this.#masks = masks;
    this.#decoder = new FrameDecoder(masks === null, {
      onData: (piece) => this.#deliver(piece),
      onEmptyMessage: () => this.#finishReading(),
      onPing: (payload) => this.#pong(payload),
      onClose: () => this.#finishReading(),
    });
    this.on('error', ignoreError);
    under.on('error', this.#listeners.error).on('close', this.#listeners.close);
    if (under.destroyed) this.destroy();
  }

  /** Frames may come and go from now on; `leftover` has come already. */
  protected open(leftover: Buffer): void {
    this.isOpen = true;
    this.under.on('end', this.#listeners.end);
    if (leftover.length > 0) this.#receive(leftover);
    if (this.destroyed) return;
    this.#listen();
    if (this.#wantsMore) this.under.resume();
  }

  /** Takes all hands off what lies under it. */
  protected detach(): void {
    const { under } = this;
    under.pause();
    if (this.#isLent) under.borrowReads?.(null);
    this.#isLent = false;
    for (const [event, listener] of Object.entries(this.#listeners)) under.off(event, listener);
  }

  #listen(): void {
    const { under } = this;
    under.off('data', this.#listeners.data);
    const isLending = this.#reader !== null && under.borrowReads !== undefined;
    if (this.#isLent && !isLending) under.borrowReads?.(null);
    this.#isLent = isLending;
    if (!isLending) under.on('data', this.#listeners.data);
    else
      under.borrowReads?.((bytes) => {
        this.#receive(bytes);
        return this.#wantsMore;
      });
  }

  #receive(bytes: Buffer): void {
    if (this.destroyed) return;
    try {
      this.#decoder.push(bytes);
    } catch (error) {
      if (!(error instanceof TunnelError)) throw error;
      this.#sendControl(OPCODE.close, COMPLAINT);
      this.destroy(error);
      return;
    }
    if (!this.#decoder.isInFrame) this.#flush();
    if (!this.#wantsMore) this.under.pause();
  }

  #deliver(piece: Buffer): void {
    if (this.#hasEnded || this.destroyed) return;
    if (this.#reader === null)
      this.#wantsMore = this.push(this.#isLent || this.#isBorrowing ? Buffer.from(piece) : piece);
    else this.#gather(piece);
  }

  /** TLS gives 16 KB at a time, and readers have much to do for each: pieces of one frame go on a few at a time. */
  #gather(piece: Buffer): void {
    if (piece.length < LEAST_GATHERED_BYTES || this.#gatheredBytes + piece.length > GATHER_BYTES) this.#flush();
    if (piece.length < LEAST_GATHERED_BYTES || piece.length > GATHER_BYTES) {
      this.#lend(piece);
      return;
    }
    this.#gatherMemory ??= Buffer.allocUnsafeSlow(GATHER_BYTES);
    this.#gatheredBytes += piece.copy(this.#gatherMemory, this.#gatheredBytes);
  }

  #flush(): void {
    const bytes = this.#gatherMemory?.subarray(0, this.#gatheredBytes);
    this.#gatheredBytes = 0;
    if (bytes === undefined) return;
    if (bytes.length > 0) this.#lend(bytes);
    // As soon as it is not needed for two frames in a row.
    else this.#gatherMemory = null;
  }

  #lend(bytes: Buffer): void {
    if (this.#reader === null) this.#wantsMore = this.push(Buffer.from(bytes));
    else this.#wantsMore = this.#reader(bytes);
  }

  #underEnded(): void {
    this.#flush();
    if (this.destroyed) return;
    if (this.#decoder.isInFrame && !this.#hasEnded) {
      this.destroy(new TunnelError('failed', 'the connection ended inside a frame'));
      return;
    }
    this.#finishReading();
  }

  #finishReading(): void {
    if (this.#hasEnded) return;
    this.#flush();
    this.#hasEnded = true;
    this.push(null);
  }

  #pong(payload: Buffer): void {
    if (this.under.writableLength < MAX_PONG_QUEUE_BYTES) this.#sendControl(OPCODE.pong, payload);
  }

  borrowReads(reader: BorrowedReader | null): void {
    this.#flush();
    this.#reader = reader;
    if (reader !== null) for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
    if (this.isOpen) this.#listen();
  }

  override pause(): this {
    if (this.#reader !== null && this.isOpen) this.under.pause();
    return super.pause();
  }

  override resume(): this {
    if (this.#reader !== null) this._read();
    return super.resume();
  }

  override _read(): void {
    this.#wantsMore = true;
    if (this.isOpen) this.under.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.writeBatch([chunk], done);
  }

  override _writev(items: { chunk: Buffer }[], done: Done): void {
    this.writeBatch(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  /** Sends chunks as one message, or a few if there is much. */
  protected writeBatch(chunks: readonly Buffer[], done: Done): void {
    let bytes = 0;
    let from = 0;
    const { under } = this;
    under.cork();
    for (const [index, chunk] of chunks.entries()) {
      bytes += chunk.length;
      const isLast = index === chunks.length - 1;
      if (!isLast && bytes < SENT_FRAME_BYTES) continue;
      this.#sendMessage(chunks.slice(from, index + 1), bytes, isLast ? done : undefined);
      from = index + 1;
      bytes = 0;
    }
    under.uncork();
  }

  #sendMessage(chunks: readonly Buffer[], payloadBytes: number, done: Done | undefined): void {
    const { under } = this;
    // A message without content would be the end.
    if (payloadBytes === 0) {
      done?.();
      return;
    }
    if (this.#masks !== null || payloadBytes < COPIED_WRITE_BYTES) {
      const framed = this.#frame(OPCODE.binary, chunks, payloadBytes);
      under.write(framed, (error) => {
        if (under.forgetsWrites) freeMemory(framed);
        done?.(error);
      });
      return;
    }
    const header = Buffer.allocUnsafe(headerBytes(payloadBytes, false));
    writeHeader(header, 0, { opcode: OPCODE.binary, payloadBytes, mask: null });
    under.write(header);
    for (const chunk of chunks.slice(0, -1)) under.write(chunk);
    under.write(chunks.at(-1) ?? NO_BYTES, done);
  }

  /** A whole frame in one piece of memory of its own. */
  #frame(opcode: number, chunks: readonly Buffer[], payloadBytes: number): Buffer {
    const mask = this.#masks?.bytes(MASK_BYTES) ?? null;
    const start = ALIGNED_HEADER_BYTES - headerBytes(payloadBytes, mask !== null);
    const memory = Buffer.allocUnsafeSlow(ALIGNED_HEADER_BYTES + payloadBytes);
    let at = writeHeader(memory, start, { opcode, payloadBytes, mask });
    for (const chunk of chunks) at += chunk.copy(memory, at);
    if (mask !== null) applyMask(memory.subarray(ALIGNED_HEADER_BYTES), mask, 0);
    return memory.subarray(start);
  }

  #sendControl(opcode: number, payload: Buffer, done?: Done): void {
    if (this.isOpen && this.under.writable) this.under.write(this.#frame(opcode, [payload], payload.length), done);
    else done?.();
  }

  override _final(done: Done): void {
    this.#sendControl(OPCODE.binary, NO_BYTES, done);
  }

  override _destroy(error: Error | null, done: Done): void {
    const { under } = this;
    this.detach();
    under.on('error', ignoreError);
    if (error === null && this.#hasEnded && this.writableFinished && !under.destroyed) this.#sayFarewell();
    else under.destroy();
    done(error);
  }

  /** Both sides have said all: ends as WebSockets do, and gives the peer some time to do the same. */
  #sayFarewell(): void {
    const { under } = this;
    this.#sendControl(OPCODE.close, GOODBYE);
    under.end();
    const cancel = this.#clock.setTimer(FAREWELL_MS, () => under.destroy());
    under.once('close', cancel);
    under.on('data', ignoreBytes).resume();
  }

  /** Ends the connection so that the peer sees an error and not an end. */
  resetAndDestroy(): this {
    if (this.under.resetAndDestroy === undefined) this.under.destroy();
    else this.under.resetAndDestroy();
    return this.destroy();
  }
}

/** An owner that has not attached its own listener yet must not let an error end the process. */
function ignoreError(): void {}

function ignoreBytes(): void {}
