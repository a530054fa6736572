import { ProtocolError } from '@rozan/protocol';
import type { CancelTimer, Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import type { AnswerEnd } from './client-machine.ts';
import { type BodyName, type Frame, FrameOpener } from './frame.ts';
import { REQUEST_PATIENCE_MS } from './limits.ts';
import { type ResponseHead, ResponseReader } from './response-reader.ts';

/** A request to be sent on a lane. */
export interface LaneRequest {
  readonly number: number;
  /** Head and body. */
  readonly chunks: readonly Buffer[];
  /** How the answer is to be opened. */
  readonly answer: BodyName;
  readonly holdMs: number;
}

/** What a lane tells its owner. */
export interface LaneEvents {
  onFrame(number: number, frame: Frame): void;
  onAnswer(number: number, end: AnswerEnd): void;
  /** It takes a request now. */
  onIdle(lane: Lane): void;
  onClosed(lane: Lane): void;
}

interface Exchange extends LaneRequest {
  readonly opener: FrameOpener;
  head: ResponseHead | null;
  /** Whether a frame has come: the answer is ours. */
  isOurs: boolean;
  /** What came instead is somebody else's. */
  isForeign: boolean;
}

/** Statuses by which proxies, and sites in trouble, ask to be asked again. */
const PASSING_STATUS: readonly number[] = [408, 413, 425, 429, 500, 502, 503, 504];

/** One connection of a client to a listener: one request after the other. */
export class Lane {
  readonly #env: Env;
  readonly #conn: Conn;
  readonly #events: LaneEvents;
  readonly #reader: ResponseReader;
  #exchange: Exchange | null = null;
  #isClosed = false;
  #lastMs = 0;
  #waitingBytes = 0;
  #cancelTimer: CancelTimer = () => {};

  constructor(env: Env, conn: Conn, events: LaneEvents) {
    this.#env = env;
    this.#conn = conn;
    this.#events = events;
    this.#reader = new ResponseReader({
      onHead: (head) => this.#onHead(head),
      onBody: (bytes) => this.#onBody(bytes),
      onEnd: (reusable) => this.#onEnd(reusable),
    });
    conn.on('error', () => this.close());
    conn.on('data', (chunk: Buffer) => this.#onData(chunk));
    conn.on('end', () => {
      if (this.#exchange !== null) this.#reader.finish();
      this.close();
    });
    conn.on('close', () => this.close());
  }

  get idle(): boolean {
    return this.#exchange === null && !this.#isClosed;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** The request that it waits for the answer of, or null. */
  get number(): number | null {
    return this.#exchange?.number ?? null;
  }

  /** Sends a request. Only while `idle`. */
  send(request: LaneRequest): void {
    this.#exchange = {
      ...request,
      opener: new FrameOpener(request.answer),
      head: null,
      isOurs: false,
      isForeign: false,
    };
    this.#reader.expectNext();
    this.#lastMs = this.#env.clock.monotonicMs();
    this.#watch(request.holdMs + REQUEST_PATIENCE_MS);
    const conn = this.#conn;
    conn.cork();
    for (const chunk of request.chunks) conn.write(chunk);
    conn.uncork();
    this.#waitingBytes = conn.writableLength;
  }

  /** Closes the connection; a request under way is cut. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelTimer();
    this.#conn.destroy();
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#events.onAnswer(exchange.number, endOf(exchange, false));
    this.#events.onClosed(this);
  }

  #watch(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#env.clock.setTimer(delayMs, () => {
      const waitingBytes = this.#conn.writableLength;
      // A slow line takes what is sent little by little, and that is progress.
      if (waitingBytes < this.#waitingBytes) this.#lastMs = this.#env.clock.monotonicMs();
      this.#waitingBytes = waitingBytes;
      const patienceMs = (this.#exchange?.holdMs ?? 0) + REQUEST_PATIENCE_MS;
      const leftMs = this.#lastMs + patienceMs - this.#env.clock.monotonicMs();
      if (leftMs <= 0) this.close();
      else this.#watch(leftMs);
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#lastMs = this.#env.clock.monotonicMs();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#exchange !== null && !this.#exchange.isOurs) this.#exchange.isForeign = true;
      this.close();
    }
  }

  #onHead(head: ResponseHead): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    exchange.head = head;
    exchange.isForeign = head.status !== 200 || head.headers.has('content-encoding');
  }

  #onBody(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null || exchange.isForeign) return;
    let frames: Frame[] = [];
    try {
      frames = exchange.opener.push(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      exchange.isForeign = true;
    }
    for (const frame of frames) {
      exchange.isOurs = true;
      this.#events.onFrame(exchange.number, frame);
    }
  }

  #onEnd(reusable: boolean): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    this.#cancelTimer();
    this.#exchange = null;
    this.#events.onAnswer(exchange.number, endOf(exchange, true));
    if (this.#isClosed) return;
    if (reusable) this.#events.onIdle(this);
    else this.close();
  }
}

function endOf(exchange: Exchange, isOver: boolean): AnswerEnd {
  if (exchange.isOurs) return isOver && exchange.opener.complete && !exchange.isForeign ? 'whole' : 'cut';
  if (exchange.head === null) return exchange.isForeign ? 'foreign' : 'cut';
  if (PASSING_STATUS.includes(exchange.head.status)) return 'unavailable';
  return isOver || exchange.isForeign ? 'foreign' : 'cut';
}
