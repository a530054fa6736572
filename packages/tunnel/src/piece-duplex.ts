// A connection over one that loses how it ends: many programs and local sockets know no reset, and some close both directions when one has
// ended. So bytes go in pieces, each behind its length (u32); a length of 0 is the clean end of that direction, and an end of the
// connection below without one is a reset.
import { Duplex } from 'node:stream';
import { TunnelError } from './errors.ts';
import type { Conn } from './network.ts';

const HEAD_BYTES = 4;
const MAX_PIECE_BYTES = 0x7fff_ffff;

/** What says that nothing more comes in this direction. */
export const CLEAN_END: Buffer = Buffer.alloc(HEAD_BYTES);

/** Called when a write is done, or a stream is ended or destroyed. */
export type Done = (error?: Error | null) => void;

/** Takes a connection over, which has to be paused or new, and is one `Conn` with half-close and reset. How it ends the other is its heirs' to say. */
export abstract class PieceDuplex extends Duplex {
  protected readonly raw: Conn;
  protected isReset = false;
  readonly #lostMessage: string;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Bytes of the current piece that are still to come. */
  #pieceBytes = 0;
  #hasPeerEnded = false;

  /** `lostMessage`: what to say when the connection ends without a clean end. */
  constructor(raw: Conn, lostMessage: string) {
    super({ allowHalfOpen: true });
    this.raw = raw;
    this.#lostMessage = lostMessage;
    raw.on('data', this.onData);
    raw.on('error', () => this.lose());
    raw.on('end', () => this.lose());
    raw.on('close', () => this.lose());
  }

  /** Whether the peer has sent its clean end. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  resetAndDestroy(): this {
    this.isReset = true;
    return this.destroy();
  }

  override _read(): void {
    this.raw.resume();
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
    this.raw.write(CLEAN_END, done);
  }

  #send(chunks: readonly Buffer[], done: Done): void {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (bytes === 0) {
      done();
      return;
    }
    const head = Buffer.allocUnsafe(HEAD_BYTES);
    head.writeUInt32BE(bytes);
    const { raw } = this;
    raw.cork();
    raw.write(head);
    chunks.forEach((chunk, index) => {
      if (index < chunks.length - 1) raw.write(chunk);
      else raw.write(chunk, done);
    });
    raw.uncork();
  }

  protected readonly onData = (chunk: Buffer): void => {
    if (!this.receive(chunk)) this.raw.pause();
  };

  /** Gives a part of a piece to whoever reads; whether more is wanted. */
  protected deliver(bytes: Buffer): boolean {
    return this.push(bytes);
  }

  /** Takes bytes of the connection below; whether more is wanted. */
  protected receive(chunk: Buffer): boolean {
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
        takesMore = this.deliver(piece);
      }
    }
    return takesMore;
  }

  #begin(): void {
    this.#headBytes = 0;
    this.#pieceBytes = this.#head.readUInt32BE();
    if (this.#pieceBytes > MAX_PIECE_BYTES) this.destroy(new TunnelError('failed', 'not a piece'));
    else if (this.#pieceBytes === 0) {
      this.#hasPeerEnded = true;
      this.push(null);
    }
  }

  /** The connection below is gone, or will give no more. */
  protected lose(): void {
    if (this.destroyed || (this.#hasPeerEnded && this.writableFinished)) return;
    // Destroying it at once would take the bytes away that lie ready to be read; a reset may.
    if (this.#hasPeerEnded && !this.readableEnded) this.once('end', () => this.destroy());
    else if (this.#hasPeerEnded) this.destroy();
    else this.destroy(new TunnelError('failed', this.#lostMessage));
  }
}
