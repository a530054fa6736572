// A program of its own: one client with as many sessions as it is told, each with one stream that moves known bytes both ways. It obeys its
// parent's orders one after another, and ends with it.
import { encodeTarget, parseServerEntry, parseShareLink } from '@rozan/protocol';
import { ClientSession, createEnv, FixedPlan, NO_ROTATION, StreamResetError, TunnelError } from '@rozan/tunnel';
import { areKnown, encodeExchange, sendKnown } from './known-bytes.ts';
import { LabDialer } from './lab-dialer.ts';

/** What it is given, as JSON. */
export interface FarmOptions {
  readonly link: string;
  /** Reaches the relay here, `HOST:PORT`. */
  readonly through: string;
  readonly sessions: number;
  readonly originPort: number;
  readonly upBytes: number;
  readonly downBytes: number;
  /** Streams under way at once; all of them unless said. */
  readonly streamsAtOnce?: number;
}

/** What it is told: make the sessions, begin to move bytes, say how it goes. */
export type FarmOrder = 'open' | 'start' | 'report';

/** How it goes. */
export interface FarmReport {
  readonly live: number;
  readonly detached: number;
  /** Sessions that are over, by the code with which they ended. */
  readonly closed: { readonly [code: string]: number };
  /** Streams that are under way. */
  readonly busy: number;
  /** Streams that have ended: `done`, a reset's code, or what was wrong. */
  readonly ended: { readonly [how: string]: number };
  readonly receivedBytes: number;
  readonly carriersLost: number;
  readonly attachesFailed: number;
  readonly residentBytes: number;
}

/** Handshakes at once while sessions are made. */
const AT_ONCE = 64;
/** A client tries the next way after so long. */
const ATTEMPT_MS = 8000;
/** Streams begin this far from each other in the sequence, so that mixed-up ones show. */
const STRIDE = 7919;

class Farm {
  readonly #env = createEnv({ log: () => {} });
  readonly #options: FarmOptions;
  readonly #dialer: LabDialer;
  readonly #sessions: ClientSession[] = [];
  readonly #closed = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  #busy = 0;
  #receivedBytes = 0;
  #carriersLost = 0;
  #attachesFailed = 0;

  constructor(options: FarmOptions) {
    const { entry } = parseServerEntry(parseShareLink(options.link));
    const transports = entry.transports.map((way) => ({ ...way, addresses: [options.through] }));
    this.#options = options;
    this.#dialer = new LabDialer(this.#env, { ...entry, transports });
  }

  async open(): Promise<void> {
    // The first tells the relay's time, so that the others come synced, as a client's do.
    await this.#openOne();
    const worker = async (): Promise<void> => {
      while (this.#sessions.length + AT_ONCE <= this.#options.sessions) await this.#openOne();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    while (this.#sessions.length < this.#options.sessions) await this.#openOne();
  }

  async #openOne(): Promise<void> {
    const first = await this.#dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(ATTEMPT_MS));
    const session = new ClientSession(this.#env, first, {
      plan: new FixedPlan(this.#env.random, { rotation: NO_ROTATION }),
      dial: (nextAttach, signal) =>
        this.#dialer.dial(nextAttach, AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MS)])),
      events: {
        onCarrierLost: () => {
          this.#carriersLost += 1;
        },
        onAttachFailed: () => {
          this.#attachesFailed += 1;
        },
        onClosed: (code) => count(this.#closed, code),
      },
    });
    this.#sessions.push(session);
  }

  /** Has every session move its bytes, as many at a time as may; the next begins where one has ended. */
  start(): void {
    const waiting = this.#sessions.entries();
    const next = (): void => {
      const { value } = waiting.next();
      if (value !== undefined) this.#exchange(value[1], value[0] * STRIDE, next);
    };
    for (let left = this.#options.streamsAtOnce ?? this.#sessions.length; left > 0; left -= 1) next();
  }

  #exchange({ session }: ClientSession, position: number, onOver: () => void): void {
    const { originPort: port, upBytes, downBytes } = this.#options;
    const stream = session.openStream(encodeTarget({ host: '127.0.0.1', port }));
    let received = 0;
    let fault: string | null = null;
    this.#busy += 1;
    stream.opened.catch(() => {});
    stream.on('data', (chunk: Buffer) => {
      if (!areKnown(position + received, chunk)) fault = 'wrong bytes';
      received += chunk.length;
      this.#receivedBytes += chunk.length;
    });
    stream.once('end', () => {
      if (received !== downBytes) fault ??= `ended cleanly after ${received} bytes`;
    });
    stream.on('error', (error: Error) => {
      fault ??= error instanceof StreamResetError ? error.resetCode : `untyped: ${error.message}`;
    });
    stream.once('close', () => {
      this.#busy -= 1;
      count(this.#ended, fault ?? (received === downBytes ? 'done' : 'closed without a word'));
      onOver();
    });
    stream.write(encodeExchange({ position, upBytes, downBytes }));
    sendKnown(stream, { position, count: upBytes }, () => stream.end());
  }

  report(): FarmReport {
    const open = this.#sessions.filter(({ session }) => !session.closed);
    const live = open.filter(({ session }) => session.attached).length;
    return {
      live,
      detached: open.length - live,
      closed: Object.fromEntries(this.#closed),
      busy: this.#busy,
      ended: Object.fromEntries(this.#ended),
      receivedBytes: this.#receivedBytes,
      carriersLost: this.#carriersLost,
      attachesFailed: this.#attachesFailed,
      residentBytes: process.memoryUsage.rss(),
    };
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

const farm = new Farm(JSON.parse(process.argv[2] ?? '{}'));
process.on('message', (order: FarmOrder) => {
  const obey = async (): Promise<void> => {
    if (order === 'open') await farm.open();
    if (order === 'start') farm.start();
    process.send?.(farm.report());
  };
  obey().catch((error: unknown) =>
    process.send?.({ failed: error instanceof TunnelError ? error.code : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
