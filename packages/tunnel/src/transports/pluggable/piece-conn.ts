import type { BorrowedReader, Conn } from '../../network.ts';
import { type Done, PieceDuplex } from '../../piece-duplex.ts';

/**
 * What pluggable transports lose of a connection, brought back. Most of their executables close both directions when one has ended, and
 * none tells a reset from an end (docs/spec/transport-pluggable.md).
 */
export class PieceConn extends PieceDuplex {
  readonly remoteAddress: string | undefined;
  readonly forgetsWrites: boolean;
  #reader: BorrowedReader | null = null;

  /** `leftover` has been read from `raw` already; `remoteAddress` is that of the far end, where it is known. */
  constructor(raw: Conn, leftover: Buffer, remoteAddress?: string | undefined) {
    super(raw, 'the connection ended in the middle');
    this.remoteAddress = remoteAddress;
    this.forgetsWrites = raw.forgetsWrites === true;
    // An owner that has no listener of its own yet must not let a reset end the process; it sees `close` all the same.
    this.on('error', () => {});
    if (leftover.length > 0) raw.unshift(leftover);
    if (raw.destroyed) process.nextTick(() => this.lose());
  }

  /** As in `ConnExtras`, where the connection below has it; otherwise what comes is lent from chunks of its own. */
  borrowReads(reader: BorrowedReader | null): void {
    this.#reader = reader;
    const { raw } = this;
    if (reader !== null) {
      // What has come before lies in the stream.
      for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
    }
    if (raw.borrowReads === undefined) return;
    if (reader === null) {
      raw.borrowReads(null);
      raw.on('data', this.onData);
    } else {
      raw.off('data', this.onData);
      raw.borrowReads((bytes) => this.receive(bytes));
    }
  }

  override pause(): this {
    super.pause();
    if (this.#reader !== null) this.raw.pause();
    return this;
  }

  override resume(): this {
    super.resume();
    if (this.#reader !== null) this.raw.resume();
    return this;
  }

  override _destroy(error: Error | null, done: Done): void {
    const { raw } = this;
    const isClean = error === null && !this.isReset && this.writableFinished && this.hasPeerEnded;
    if (isClean) {
      // The kernel delivers what has been written, since nothing more comes that it could answer with a reset.
      raw.end(() => raw.destroy());
    } else if (raw.resetAndDestroy !== undefined && !raw.destroyed) raw.resetAndDestroy();
    else raw.destroy();
    done(error);
  }

  protected override deliver(bytes: Buffer): boolean {
    return this.#reader === null ? super.deliver(bytes) : this.#reader(bytes);
  }
}
