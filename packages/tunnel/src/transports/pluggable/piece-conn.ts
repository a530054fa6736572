// What pluggable transports lose of a connection, brought back. Most of their executables close both directions when one has ended, and
// none tells a reset from an end. So bytes go in pieces, each behind its length (u32); a length of 0 is the clean end of that direction,
// and an end of the connection without one is a reset (docs/spec/transport-pluggable.md).
import { Duplex } from 'node:stream';
import { TunnelError } from '../../errors.ts';
import type { BorrowedReader, Conn } from '../../network.ts';

const HEAD_BYTES = 4;
const END = Buffer.alloc(HEAD_BYTES);

type Done = (error?: Error | null) => void;

/** Takes a connection over, which has to be paused or new, and is one `Conn` with half-close and reset. */
export class PieceConn extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly forgetsWrites: boolean;
  readonly #raw: Conn;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Bytes of the current piece that are still to come. */
  #pieceBytes = 0;
  #hasPeerEnded = false;
  #isReset = false;
  #reader: BorrowedReader | null = null;

  /** `leftover` has been read from `raw` already; `remoteAddress` is that of the far end, where it is known. */
  constructor(raw: Conn, leftover: Buffer, remoteAddress?: string | undefined) {
    super({ allowHalfOpen: true });
    this.remoteAddress = remoteAddress;
    this.forgetsWrites = raw.forgetsWrites === true;
    this.#raw = raw;
    // An owner that has no listener of its own yet must not let a reset end the process; it sees `close` all the same.
    this.on('error', () => {});
    raw.on('data', this.#onData);
    raw.on('error', () => this.#lose());
    raw.on('end', () => this.#lose());
    raw.on('close', () => this.#lose());
    if (leftover.length > 0) raw.unshift(leftover);
    if (raw.destroyed) process.nextTick(() => this.#lose());
  }

  resetAndDestroy(): this {
    this.#isReset = true;
    return this.destroy();
  }

  /** As in `ConnExtras`, where the connection below has it; otherwise what comes is lent from chunks of its own. */
  borrowReads(reader: BorrowedReader | null): void {
    this.#reader = reader;
    const raw = this.#raw;
    if (reader !== null) {
      // What has come before lies in the stream.
      for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
    }
    if (raw.borrowReads === undefined) return;
    if (reader === null) {
      raw.borrowReads(null);
      raw.on('data', this.#onData);
    } else {
      raw.off('data', this.#onData);
      raw.borrowReads((bytes) => this.#receive(bytes));
    }
  }

  override pause(): this {
    super.pause();
    if (this.#reader !== null) this.#raw.pause();
    return this;
  }

  override resume(): this {
    super.resume();
    if (this.#reader !== null) this.#raw.resume();
    return this;
  }

  override _read(): void {
    this.#raw.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send([chunk], done);
  }

  override _writev(items: { chunk: Buffer }[], done: Done): void {
    this.#send(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Done): void {
    this.#raw.write(END, done);
  }

  override _destroy(error: Error | null, done: Done): void {
    const raw = this.#raw;
    const isClean = error === null && !this.#isReset && this.writableFinished && this.#hasPeerEnded;
    if (isClean) {
      // The kernel delivers what has been written, since nothing more comes that it could answer with a reset.
      raw.end(() => raw.destroy());
    } else if (raw.resetAndDestroy !== undefined && !raw.destroyed) raw.resetAndDestroy();
    else raw.destroy();
    done(error);
  }

  #send(chunks: readonly Buffer[], done: Done): void {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) {
      done();
      return;
    }
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.writeUInt32BE(bytes);
    const raw = this.#raw;
    raw.cork();
    raw.write(head);
    chunks.forEach((chunk, index) => {
      if (index < chunks.length - 1) raw.write(chunk);
      else raw.write(chunk, done);
    });
    raw.uncork();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#receive(chunk)) this.#raw.pause();
  };

  /** Whether more is wanted. */
  #receive(chunk: Buffer): boolean {
    let takesMore = true;
    for (let offset = 0; offset < chunk.length && !this.#hasPeerEnded && !this.destroyed; ) {
      if (this.#pieceBytes === 0) {
        const copied = chunk.copy(this.#head, this.#headBytes, offset);
        offset += copied;
        this.#headBytes += copied;
        if (this.#headBytes === HEAD_BYTES) this.#begin();
      } else {
        const piece = chunk.subarray(offset, offset + this.#pieceBytes);
        offset += piece.length;
        this.#pieceBytes -= piece.length;
        takesMore = this.#reader === null ? this.push(piece) : this.#reader(piece);
      }
    }
    return takesMore;
  }

  #begin(): void {
    this.#headBytes = 0;
    this.#pieceBytes = this.#head.readUInt32BE();
    if (this.#pieceBytes > 0) return;
    this.#hasPeerEnded = true;
    this.push(null);
  }

  /** The connection is gone, or will give no more. */
  #lose(): void {
    if (this.destroyed || (this.#hasPeerEnded && this.writableFinished)) return;
    // Destroying it at once would take the bytes away that lie ready to be read; a reset may.
    if (this.#hasPeerEnded && !this.readableEnded) this.once('end', () => this.destroy());
    else if (this.#hasPeerEnded) this.destroy();
    else this.destroy(new TunnelError('failed', 'the connection ended in the middle'));
  }
}
