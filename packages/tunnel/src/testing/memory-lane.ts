import type { Duplex } from 'node:stream';
import type { CancelTimer, Clock } from '../env.ts';

/** How one direction behaves. */
export interface MemoryLaneOptions {
  readonly clock: Clock;
  /** Time that bytes need from one end to the other. */
  readonly latencyMs?: number | undefined;
  /** Bytes that may be under way in one direction before its writer has to wait. */
  readonly windowBytes?: number | undefined;
  /** The most bytes that the reader gets at once; 1 makes a good test of a decoder. */
  readonly maxChunkBytes?: number | undefined;
  /** A line of limited rate that the bytes have to pass, perhaps along with those of other connections. */
  readonly line?: MemoryLine | undefined;
  /** Looks at the bytes before the reader gets them, and may cut or stall the connection then. */
  readonly inspect?: ((bytes: number) => void) | undefined;
  /** Told of every turn of the event loop that this pair has asked for, so that a manual clock can wait for it. */
  readonly activity?: Activity | undefined;
}

/** One direction of a slow line: bytes take their turn on it in the order in which they are written, whoever writes them. */
export interface MemoryLine {
  readonly bytesPerMs: number;
  /** When what it has been given has passed. */
  freeAtMs: number;
}

/** Deliveries that are due and have not yet been made. */
export interface Activity {
  pending: number;
}

/** How a connection dies: with an error, with a clean end, or by nothing arriving any more. */
export type CutKind = 'rst' | 'fin' | 'stall';

/** The same as a socket's buffers on a machine with little memory. */
const DEFAULT_WINDOW_BYTES = 64 * 1024;

/** Bytes pass a slow line in pieces of at least this size, and of what passes in this time. */
const LINE_PIECE_BYTES = 256;
const LINE_PIECE_MS = 5;

/** What the system says of a connection that its peer has reset. */
function connectionReset(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
}

interface Parcel {
  readonly bytes: Buffer;
  readonly arrivesAtMs: number;
}

/** One direction between two connected ends: a queue with a bound, a delay, and ways to die. */
export class MemoryLane {
  /** The end that the bytes arrive at. */
  reader: Duplex | null = null;
  /** Bytes that the reader has been handed so far. */
  deliveredBytes = 0;
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #windowBytes: number;
  readonly #maxChunkBytes: number;
  readonly #activity: Activity;
  readonly #line: MemoryLine | null;
  readonly #inspect: ((bytes: number) => void) | undefined;
  readonly #queue: Parcel[] = [];
  #queuedBytes = 0;
  #finishedAtMs: number | null = null;
  #hasEnded = false;
  /** The queue takes nothing more and gives nothing more. */
  #isDead = false;
  #isStalled = false;
  #hasResetArrived = false;
  #readerWants = false;
  #whenRoom: ((error?: Error) => void) | null = null;
  #isScheduled = false;
  #cancelTimer: CancelTimer | null = null;

  constructor(options: MemoryLaneOptions) {
    this.#clock = options.clock;
    this.#latencyMs = options.latencyMs ?? 0;
    this.#windowBytes = options.windowBytes ?? DEFAULT_WINDOW_BYTES;
    this.#maxChunkBytes = options.maxChunkBytes ?? Number.POSITIVE_INFINITY;
    this.#line = options.line ?? null;
    this.#inspect = options.inspect;
    this.#activity = options.activity ?? { pending: 0 };
  }

  /** Whether bytes lie here that the reader has not been handed. */
  get hasBytes(): boolean {
    return this.#queue.length > 0;
  }

  /** Takes a copy. Calls `done` once there is room for more, or with an error when the reader is gone. */
  write(chunk: Buffer, done: (error?: Error) => void): void {
    if (this.#isDead) {
      this.#later(() => done(connectionReset()));
      return;
    }
    if (chunk.length === 0) {
      done();
      return;
    }
    this.#enqueue(Buffer.from(chunk));
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes < this.#windowBytes) done();
    else this.#whenRoom = done;
    this.#schedule();
  }

  #enqueue(bytes: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    const line = this.#line;
    if (line === null) {
      this.#queue.push({ bytes, arrivesAtMs: nowMs + this.#latencyMs });
      return;
    }
    line.freeAtMs = Math.max(line.freeAtMs, nowMs);
    const pieceBytes = Math.max(LINE_PIECE_BYTES, line.bytesPerMs * LINE_PIECE_MS);
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      const piece = bytes.subarray(start, start + pieceBytes);
      line.freeAtMs += piece.length / line.bytesPerMs;
      this.#queue.push({ bytes: piece, arrivesAtMs: line.freeAtMs + this.#latencyMs });
    }
  }

  /** Behind everything else: the reader's end. */
  finish(): void {
    if (this.#finishedAtMs !== null || this.#isDead) return;
    this.#finishedAtMs = Math.max(this.#clock.monotonicMs(), this.#line?.freeAtMs ?? 0) + this.#latencyMs;
    this.#schedule();
  }

  /** The reader gets an error in place of what is still under way. */
  reset(): void {
    if (this.#isDead) return;
    this.#die();
    this.#afterLatency(() => {
      this.#hasResetArrived = true;
      this.#deliverReset();
    });
  }

  /** The reader is gone: what is written from now on comes back to the writer as an error. */
  abandon(): void {
    if (this.#isDead || this.#hasEnded) return;
    this.#die();
  }

  /** The reader has room again. */
  pull(): void {
    this.#readerWants = true;
    this.#schedule();
  }

  /** What a censor in the middle does; both lanes of a connection get it. */
  cut(kind: CutKind): void {
    if (kind === 'stall') {
      this.setStalled(true);
      return;
    }
    this.#isStalled = false;
    const hadEnded = this.#isDead || this.#hasEnded;
    this.#die();
    if (kind === 'rst') this.#later(() => this.reader?.destroy(connectionReset()));
    else if (!hadEnded) this.#later(() => this.reader?.push(null));
  }

  /** Holds everything back (true), or lets it go on (false). */
  setStalled(isStalled: boolean): void {
    this.#isStalled = isStalled;
    this.#deliverReset();
    this.#schedule();
  }

  #deliverReset(): void {
    if (this.#hasResetArrived && !this.#isStalled) this.reader?.destroy(connectionReset());
  }

  #die(): void {
    this.#isDead = true;
    // What has not passed the line yet will not take any of it.
    if (this.#line !== null) this.#line.freeAtMs -= this.#queuedBytes / this.#line.bytesPerMs;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#cancelTimer?.();
    const whenRoom = this.#whenRoom;
    this.#whenRoom = null;
    if (whenRoom !== null) this.#later(() => whenRoom(connectionReset()));
  }

  /** Delivers once: in the next turn, or when the first parcel arrives. */
  #schedule(): void {
    if (this.#isScheduled || this.#isStalled || this.#isDead || this.#hasEnded) return;
    const nextMs = this.#queue[0]?.arrivesAtMs ?? this.#finishedAtMs;
    if (nextMs === null || (this.#queue.length > 0 && !this.#readerWants)) return;
    this.#isScheduled = true;
    const run = () => {
      this.#isScheduled = false;
      this.#deliver();
    };
    const waitMs = nextMs - this.#clock.monotonicMs();
    if (waitMs <= 0) this.#later(run);
    else this.#cancelTimer = this.#clock.setTimer(waitMs, run);
  }

  #deliver(): void {
    if (this.#isStalled) return;
    const nowMs = this.#clock.monotonicMs();
    // What is written while this loop runs waits for the next turn: a writer without end must not hold up everything else.
    for (let budget = this.#queuedBytes; budget > 0 && this.#readerWants && !this.#isDead; ) {
      const parcel = this.#queue[0];
      if (parcel === undefined || parcel.arrivesAtMs > nowMs) break;
      this.#inspect?.(parcel.bytes.length);
      if (this.#isStalled || this.#isDead) return;
      budget -= this.#hand(parcel);
    }
    if (this.#queue.length === 0 && this.#finishedAtMs !== null && this.#finishedAtMs <= nowMs && !this.#isDead) {
      this.#hasEnded = true;
      this.reader?.push(null);
    }
    this.#schedule();
  }

  /** Gives the reader the parcel, or the part of it that is allowed at once; returns its length. */
  #hand(parcel: Parcel): number {
    const bytes = parcel.bytes.subarray(0, this.#maxChunkBytes);
    const rest = parcel.bytes.subarray(bytes.length);
    if (rest.length > 0) this.#queue[0] = { bytes: rest, arrivesAtMs: parcel.arrivesAtMs };
    else this.#queue.shift();
    this.#queuedBytes -= bytes.length;
    this.deliveredBytes += bytes.length;
    this.#readerWants = this.reader?.push(bytes) ?? false;
    const whenRoom = this.#whenRoom;
    if (whenRoom !== null && this.#queuedBytes < this.#windowBytes) {
      this.#whenRoom = null;
      whenRoom();
    }
    return bytes.length;
  }

  #afterLatency(callback: () => void): void {
    if (this.#latencyMs > 0) this.#clock.setTimer(this.#latencyMs, callback);
    else this.#later(callback);
  }

  #later(callback: () => void): void {
    this.#activity.pending++;
    setImmediate(() => {
      this.#activity.pending--;
      callback();
    });
  }
}
