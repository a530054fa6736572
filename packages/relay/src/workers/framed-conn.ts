// A connection over a local socket that keeps what such a socket loses: whether the end was clean. Local sockets know no reset, and an owner
// that dies looks like one that has ended. So bytes go in pieces, each behind its length (u32); a length of 0 is the clean end, and
// an end of the socket without one is a reset.
import { Duplex } from 'node:stream';
import { type Conn, TunnelError } from '@rozan/tunnel';

const HEAD_BYTES = 4;
const END = Buffer.alloc(HEAD_BYTES);
const MAX_PIECE_BYTES = 0x7fff_ffff;

type Done = (error?: Error | null) => void;

/** Takes a local socket over, which has to be paused or new, and is one `Conn` with half-close and reset. */
export class FramedConn extends Duplex {
  readonly #raw: Conn;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  /** Bytes of the current piece that are still to come. */
  #pieceBytes = 0;
  #hasPeerEnded = false;
  #isReset = false;

  constructor(raw: Conn) {
    super({ allowHalfOpen: true });
    this.#raw = raw;
    raw.on('data', (chunk: Buffer) => this.#receive(chunk));
    raw.on('error', () => this.#lose());
    raw.on('end', () => this.#lose());
    raw.on('close', () => this.#lose());
  }

  /** Whether the peer has sent its clean end. */
  get hasPeerEnded(): boolean {
    return this.#hasPeerEnded;
  }

  resetAndDestroy(): this {
    this.#isReset = true;
    return this.destroy();
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
    const isClean = error === null && !this.#isReset;
    if (isClean && this.writableFinished && this.#hasPeerEnded) raw.end();
    else if (isClean && !this.writableEnded && raw.writableLength === 0 && !raw.destroyed) {
      raw.end(END, () => raw.destroy());
    } else raw.destroy();
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
    this.#raw.cork();
    this.#raw.write(head);
    chunks.forEach((chunk, index) => {
      if (index < chunks.length - 1) this.#raw.write(chunk);
      else this.#raw.write(chunk, done);
    });
    this.#raw.uncork();
  }

  #receive(chunk: Buffer): void {
    let takesMore = true;
    for (let offset = 0; offset < chunk.length && !this.#hasPeerEnded; ) {
      if (this.#pieceBytes === 0) {
        const copied = chunk.copy(this.#head, this.#headBytes, offset);
        offset += copied;
        this.#headBytes += copied;
        if (this.#headBytes === HEAD_BYTES) this.#begin();
      } else {
        const piece = chunk.subarray(offset, offset + this.#pieceBytes);
        offset += piece.length;
        this.#pieceBytes -= piece.length;
        takesMore = this.push(piece);
      }
    }
    if (!takesMore) this.#raw.pause();
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

  /** The socket is gone, or will give no more. */
  #lose(): void {
    if (this.destroyed || (this.#hasPeerEnded && this.writableFinished)) return;
    // Destroying it at once would take the bytes away that lie ready to be read; a reset may.
    if (this.#hasPeerEnded && !this.readableEnded) this.once('end', () => this.destroy());
    else if (this.#hasPeerEnded) this.destroy();
    else this.destroy(new TunnelError('failed', 'the other process has reset the connection'));
  }
}
