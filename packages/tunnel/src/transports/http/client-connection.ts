import type { CancelTimer, Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { type AnswerEnd, ClientMachine, type PlannedRequest } from './client-machine.ts';
import type { ClientKeys } from './connection-keys.ts';
import type { Frame } from './frame.ts';
import { Lane } from './lane.ts';
import { LAST_WORDS_MS, MAX_LANES, RETRY_MAX_MS, RETRY_MIN_MS } from './limits.ts';
import type { HttpParams } from './params.ts';
import { createRequestWriter, type RequestWriter } from './request-writer.ts';
import { RequestsConn } from './requests-conn.ts';

/** What a connection over requests needs. */
export interface ClientConnectionOptions {
  readonly params: HttpParams;
  readonly entryKey: Buffer;
  readonly keys: ClientKeys;
  /** The `Host` field. */
  readonly host: string;
  readonly secure: boolean;
  /** Opens another connection to the listener. */
  readonly dialLane: (signal: AbortSignal) => Promise<Conn>;
}

const ENDINGS = {
  reset: ['failed', 'the listener has broken the connection off'],
  failed: ['failed', 'requests to the listener fail'],
  foreign: ['not-authentic', 'the answers are not from the listener of the entry'],
} as const;

/** Makes a connection over requests; `first` is its first lane. */
export function createClientConnection(env: Env, first: Conn, options: ClientConnectionOptions): Conn {
  const connection = new ClientConnection(env, options);
  connection.addLane(first);
  return connection.conn;
}

/** The client's end: puts the machine's requests on lanes, and their answers into the stream. */
class ClientConnection {
  readonly conn: RequestsConn;
  readonly #env: Env;
  readonly #options: ClientConnectionOptions;
  readonly #machine: ClientMachine;
  readonly #writer: RequestWriter;
  readonly #lanes = new Set<Lane>();
  readonly #dialling = new AbortController();
  #isDialling = false;
  #dialFailures = 0;
  #dialAtMs = 0;
  #hasBegun = false;
  #isReleased = false;
  #isOver = false;
  #isScheduled = false;
  #cancelWake: CancelTimer = () => {};
  #cancelLastWords: CancelTimer = () => {};

  constructor(env: Env, options: ClientConnectionOptions) {
    this.#env = env;
    this.#options = options;
    const { params } = options;
    this.#machine = new ClientMachine({
      maxMessageBytes: params.maxBytes,
      maxMessageAgeMs: params.maxAgeMs,
      random: env.random,
    });
    this.#writer = createRequestWriter(env.random, options);
    const machine = this.#machine;
    this.conn = new RequestsConn({
      write: (chunks) => {
        for (const chunk of chunks) machine.write(chunk);
        this.#schedule();
      },
      roomBytes: () => machine.roomBytes,
      end: () => {
        machine.end();
        this.#schedule();
      },
      endArrived: () => machine.endArrived,
      consumed: (bytes) => {
        machine.consume(bytes);
        this.#schedule();
      },
      reading: () => {},
      released: (release) => this.#release(release),
    });
  }

  addLane(conn: Conn): void {
    const lane = new Lane(this.#env, conn, {
      onFrame: (number, frame) => this.#onFrame(number, frame),
      onAnswer: (number, end) => this.#onAnswer(number, end),
      onIdle: () => this.#schedule(),
      onClosed: (closed) => {
        this.#lanes.delete(closed);
        this.#schedule();
      },
    });
    this.#lanes.add(lane);
  }

  get #nowMs(): number {
    return this.#env.clock.monotonicMs();
  }

  /** What is written in one turn of the event loop goes together. */
  #schedule(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#advance();
    });
  }

  #advance(): void {
    if (this.#isOver) return;
    const nowMs = this.#nowMs;
    this.#abortLate(nowMs);
    for (let idle = this.#idleLanes(); ; idle = this.#idleLanes()) {
      const [lane] = idle;
      if (lane === undefined) break;
      const planned = this.#machine.next(nowMs, idle.length);
      if (planned === null) break;
      this.#hasBegun = true;
      this.#openSpare(nowMs);
      this.#send(lane, planned);
    }
    this.#openSpare(nowMs);
    this.conn.progress();
    this.#checkOver();
    if (!this.#isOver) this.#wake(nowMs);
  }

  #idleLanes(): Lane[] {
    return [...this.#lanes].filter((lane) => lane.idle);
  }

  #send(lane: Lane, planned: PlannedRequest): void {
    const { header } = planned;
    lane.send({
      number: header.number,
      chunks: this.#writer.write(planned),
      answer: { keys: this.#options.keys.keys.down, number: header.number },
      holdMs: header.holdMs,
    });
  }

  /** Keeps one lane free, so that what comes next need not wait for a connection. */
  #openSpare(nowMs: number): void {
    if (!this.#hasBegun || this.#isDialling || nowMs < this.#dialAtMs || this.#machine.over !== null) return;
    if (this.#lanes.size >= MAX_LANES || (this.#machine.quiet && this.#lanes.size > 0)) return;
    const idle = this.#idleLanes().length;
    if (idle > (this.#machine.wantsPoll && this.#machine.openRequests > 0 ? 1 : 0)) return;
    this.#isDialling = true;
    this.#options.dialLane(this.#dialling.signal).then(
      (conn) => {
        this.#isDialling = false;
        this.#dialFailures = 0;
        if (this.#isOver) conn.destroy();
        else {
          this.addLane(conn);
          this.#schedule();
        }
      },
      () => this.#dialFailed(),
    );
  }

  #dialFailed(): void {
    this.#isDialling = false;
    if (this.#isOver) return;
    this.#dialFailures += 1;
    const backoffMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#dialFailures);
    this.#dialAtMs = this.#nowMs + backoffMs * (0.5 + this.#env.random.fraction() / 2);
    if (this.#lanes.size === 0 && this.#dialFailures >= this.#machine.mostFailures) this.#fail('failed');
    else this.#schedule();
  }

  #abortLate(nowMs: number): void {
    const late = this.#machine.takeLate(nowMs);
    if (late.length === 0) return;
    for (const lane of this.#lanes) if (lane.number !== null && late.includes(lane.number)) lane.close();
  }

  #onFrame(number: number, frame: Frame): void {
    if (this.#isOver) return;
    try {
      const ready = this.#machine.receive(number, frame, this.#nowMs);
      this.conn.deliver(ready);
      if (this.#machine.receivedAll) this.conn.deliverEnd();
      this.conn.progress();
    } catch {
      this.#fail('failed');
      return;
    }
    this.#schedule();
  }

  #onAnswer(number: number, end: AnswerEnd): void {
    if (this.#isOver) return;
    this.#machine.answered(number, end, this.#nowMs);
    this.#schedule();
  }

  #checkOver(): void {
    const { over } = this.#machine;
    if (over === 'finished') this.#close();
    else if (over !== null) this.#fail(over);
  }

  #fail(ending: keyof typeof ENDINGS): void {
    const [code, message] = ENDINGS[ending];
    this.#close();
    if (!this.#isReleased) this.conn.fail(new TunnelError(code, message));
  }

  /** The owner lets go; what it has said still goes out. */
  #release(release: 'finished' | 'ended' | 'broken'): void {
    this.#isReleased = true;
    if (this.#isOver) return;
    if (!this.#hasBegun && release !== 'finished') {
      this.#close();
      return;
    }
    if (release === 'broken') {
      this.#machine.reset();
      for (const lane of this.#lanes) if (!lane.idle) lane.close();
    }
    this.#cancelLastWords = this.#env.clock.setTimer(LAST_WORDS_MS, () => this.#close());
    this.#schedule();
  }

  #wake(nowMs: number): void {
    this.#cancelWake();
    const times = [this.#machine.wakeMs(nowMs)];
    const needsLane = this.#lanes.size < MAX_LANES && !this.#isDialling;
    if (needsLane && this.#dialAtMs > nowMs) times.push(this.#dialAtMs);
    const dueMs = Math.min(...times.map((time) => time ?? Number.POSITIVE_INFINITY));
    if (Number.isFinite(dueMs)) {
      this.#cancelWake = this.#env.clock.setTimer(Math.max(1, dueMs - nowMs), () => this.#advance());
    }
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelWake();
    this.#cancelLastWords();
    this.#dialling.abort();
    for (const lane of [...this.#lanes]) lane.close();
  }
}
