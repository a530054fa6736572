import { Duplex } from 'node:stream';
import { TunnelError } from '../../errors.ts';

/** What a `RequestsConn` stands on. */
export interface RequestsConnHooks {
  /** Takes bytes to be sent. */
  write(chunks: readonly Buffer[]): void;
  /** Bytes that the writer may add to those that wait. */
  roomBytes(): number;
  /** Nothing more will be written. */
  end(): void;
  /** Whether the end has arrived at the peer. */
  endArrived(): boolean;
  /** The reader has taken so many bytes. */
  consumed(bytes: number): void;
  /** The reader reads. */
  reading(): void;
  /** The owner has let go: `isClean` when everything was said and read before. */
  released(release: 'finished' | 'ended' | 'broken'): void;
}

type Done = (error?: Error | null) => void;

/** Bytes that lie ready in the stream itself. */
const READY_BYTES = 256 * 1024;

/** A connection over requests, as its user sees it. */
export class RequestsConn extends Duplex {
  readonly remoteAddress: string | undefined;
  decline?: () => void;
  readonly #hooks: RequestsConnHooks;
  #ready: Buffer[] = [];
  #isWanted = true;
  #hasPeerEnded = false;
  #hasPushedEnd = false;
  #isReset = false;
  /** Whether somebody has seen that there is no room. */
  #isRoomAwaited = false;
  #afterRoom: Done | null = null;
  #afterEnd: Done | null = null;

  constructor(hooks: RequestsConnHooks, remoteAddress?: string) {
    // Each write that leaves something behind is followed by `drain`.
    super({ allowHalfOpen: true, readableHighWaterMark: READY_BYTES, writableHighWaterMark: 1 });
    this.#hooks = hooks;
    this.remoteAddress = remoteAddress;
    // An owner without a listener yet must not have the process end; it sees `close` all the same.
    this.on('error', () => {});
  }

  get roomBytes(): number {
    const bytes = this.#hooks.roomBytes();
    if (bytes <= 0) this.#isRoomAwaited = true;
    return bytes;
  }

  resetAndDestroy(): this {
    this.#isReset = true;
    return this.destroy();
  }

  /** Bytes have come, in order. */
  deliver(chunks: readonly Buffer[]): void {
    for (const chunk of chunks) if (chunk.length > 0) this.#ready.push(chunk);
    this.#pushReady();
  }

  /** The peer's end has come, behind everything else. */
  deliverEnd(): void {
    this.#hasPeerEnded = true;
    this.#pushReady();
  }

  /** Something was acknowledged. */
  progress(): void {
    if (this.#afterRoom !== null && this.#hooks.roomBytes() > 0) {
      const done = this.#afterRoom;
      this.#afterRoom = null;
      this.#isRoomAwaited = false;
      done();
    } else if (this.#isRoomAwaited && this.#hooks.roomBytes() > 0) {
      // Messages have become smaller since the last write was done, so that there was no room: nothing else tells its writer.
      this.#isRoomAwaited = false;
      this.emit('drain');
    }
    if (this.#afterEnd !== null && this.#hooks.endArrived()) {
      const done = this.#afterEnd;
      this.#afterEnd = null;
      done();
    }
  }

  /** The peer has broken off, or cannot be reached any more. */
  fail(error: TunnelError): void {
    this.destroy(error);
  }

  #pushReady(): void {
    while (this.#isWanted && this.#ready.length > 0) {
      const chunk = this.#ready.shift();
      if (chunk === undefined) break;
      this.#isWanted = this.push(chunk);
      this.#hooks.consumed(chunk.length);
    }
    if (this.#hasPeerEnded && this.#ready.length === 0 && !this.#hasPushedEnd) {
      this.#hasPushedEnd = true;
      this.push(null);
    }
  }

  override _read(): void {
    this.#isWanted = true;
    this.#hooks.reading();
    this.#pushReady();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#take([chunk], done);
  }

  override _writev(items: { chunk: Buffer }[], done: Done): void {
    this.#take(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  #take(chunks: readonly Buffer[], done: Done): void {
    this.#hooks.write(chunks);
    if (this.#hooks.roomBytes() > 0) done();
    else this.#afterRoom = done;
  }

  override _final(done: Done): void {
    this.#afterEnd = done;
    this.#hooks.end();
    this.progress();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#ready = [];
    const isQuiet = error === null && !this.#isReset;
    if (isQuiet && this.writableFinished && this.#hasPeerEnded) this.#hooks.released('finished');
    else this.#hooks.released(isQuiet && this.writableEnded ? 'ended' : 'broken');
    const broken = new TunnelError('failed', 'the connection was let go');
    const pending = [this.#afterRoom, this.#afterEnd];
    this.#afterRoom = null;
    this.#afterEnd = null;
    done(error);
    for (const waiting of pending) waiting?.(broken);
  }
}
