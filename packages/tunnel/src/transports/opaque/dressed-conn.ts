import { Duplex } from 'node:stream';
import type { BorrowedReader, Conn } from '../../network.ts';
import type { Framing } from './framing.ts';

/** What a dressed connection starts from. */
export interface DressOptions extends Framing {
  /** Bytes that were read of `conn` already and that the framing has not seen. */
  readonly leftover?: Buffer | undefined;
  /** Whether the peer has ended its side behind `leftover`. */
  readonly hasEnded?: boolean | undefined;
  /** Takes the connection back when it is declined: it is paused, and nobody listens to it. */
  readonly onDecline?: ((declined: Declined) => void) | undefined;
}

/** A connection that was given back. */
export interface Declined {
  readonly conn: Conn;
  /** What has come over it since it was dressed, as it was on the wire. */
  readonly seen: Buffer;
  /** Whether its peer has ended its side. */
  readonly hasEnded: boolean;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** An owner that has not attached its own listener yet must not let an error end the process. */
function ignoreError(): void {}

/** A connection whose bytes travel in messages of another protocol. It takes over `conn`, which has to be paused. */
export class DressedConn extends Duplex implements Conn {
  readonly forgetsWrites: boolean;
  readonly remoteAddress: string | undefined;
  readonly decline?: () => void;
  readonly #conn: Conn;
  readonly #options: DressOptions;
  /** What has come, for as long as the connection may still be given back. */
  #seen: Buffer[] | null;
  #reader: BorrowedReader | null = null;
  /** Nothing more comes of the peer. */
  #isOver = false;
  #isGivenBack = false;
  readonly #listeners = {
    data: (bytes: Buffer) => {
      if (!this.#receive(bytes)) this.#conn.pause();
    },
    end: () => this.#finishReading(),
    error: (error: Error) => this.destroy(error),
    close: () => {
      if (!this.#isOver) this.destroy();
    },
  };

  constructor(conn: Conn, options: DressOptions) {
    super({ allowHalfOpen: true });
    this.#conn = conn;
    this.#options = options;
    this.forgetsWrites = conn.forgetsWrites === true;
    this.remoteAddress = conn.remoteAddress;
    this.#seen = options.onDecline === undefined ? null : [];
    if (options.onDecline !== undefined) this.decline = () => this.#giveBack();
    this.on('error', ignoreError);
    const { leftover = NO_BYTES, hasEnded = false } = options;
    for (const [event, listener] of Object.entries(this.#listeners)) conn.on(event, listener);
    if (leftover.length > 0) this.#receive(leftover);
    if (hasEnded) this.#finishReading();
    if (conn.destroyed) this.destroy();
  }

  /** Unframes; false when the reader wants no more for now. */
  #receive(bytes: Buffer): boolean {
    if (this.#isOver) return true;
    const { unframer } = this.#options;
    this.#seen?.push(bytes);
    let wantsMore = true;
    try {
      unframer.push(bytes, (content) => {
        if (content.length === 0) return;
        const reader = this.#reader;
        wantsMore = (reader === null ? this.push(content) : reader(content)) && wantsMore;
      });
    } catch (error) {
      // What is no message of ours is somebody else's to answer, for as long as nothing was answered.
      if (this.#seen !== null) this.#giveBack();
      else this.destroy(error instanceof Error ? error : undefined);
      return false;
    }
    if (unframer.hasEnded) this.#finishReading();
    return wantsMore || this.#isOver;
  }

  #finishReading(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.push(null);
  }

  #giveBack(): void {
    const seen = this.#seen;
    if (seen === null || this.destroyed) return;
    const hasEnded = this.#conn.readableEnded;
    this.#detach();
    this.#seen = null;
    this.#isGivenBack = true;
    this.destroy();
    this.#options.onDecline?.({ conn: this.#conn, seen: Buffer.concat(seen), hasEnded });
  }

  #detach(): void {
    this.#conn.pause();
    this.#conn.borrowReads?.(null);
    for (const [event, listener] of Object.entries(this.#listeners)) this.#conn.off(event, listener);
  }

  override _read(): void {
    this.#conn.resume();
  }

  override pause(): this {
    if (this.#reader !== null) this.#conn.pause();
    return super.pause();
  }

  override resume(): this {
    if (this.#reader !== null) this.#conn.resume();
    return super.resume();
  }

  borrowReads(reader: BorrowedReader | null): void {
    this.#seen = null;
    this.#reader = reader;
    const conn = this.#conn;
    if (reader === null) {
      if (conn.borrowReads === undefined) return;
      conn.borrowReads(null);
      conn.off('data', this.#listeners.data).on('data', this.#listeners.data);
      return;
    }
    for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
    if (conn.borrowReads === undefined) return;
    conn.off('data', this.#listeners.data);
    conn.borrowReads((bytes) => this.#receive(bytes));
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(this.#options.framer.frame(bytes), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const { framer } = this.#options;
    this.#send(
      chunks.flatMap(({ chunk }) => framer.frame(chunk)),
      done,
    );
  }

  #send(pieces: readonly Buffer[], done: (error?: Error | null) => void): void {
    this.#seen = null;
    const conn = this.#conn;
    const last = pieces.length - 1;
    conn.cork();
    for (const [index, piece] of pieces.entries()) {
      if (index === last) conn.write(piece, done);
      else conn.write(piece);
    }
    conn.uncork();
    if (last < 0) done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#seen = null;
    const conn = this.#conn;
    for (const piece of this.#options.framer.end()) conn.write(piece);
    conn.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#isGivenBack) this.#conn.destroy();
    done(error);
  }

  /** Ends the connection so that the peer sees an error and not an end. */
  resetAndDestroy(): this {
    if (this.#conn.resetAndDestroy === undefined) this.#conn.destroy();
    else this.#conn.resetAndDestroy();
    return this.destroy();
  }
}

/**
 * The connection with bytes put back in front of it, as any program would take it over: itself where that can be, so that it is served as soon as
 * one that nobody has looked at.
 */
export function unreadConn({ conn, seen, hasEnded }: Declined, framing: Framing): Conn {
  if (!hasEnded) {
    if (seen.length > 0) conn.unshift(seen);
    return conn;
  }
  return new DressedConn(conn, { ...framing, leftover: seen, hasEnded });
}
