// A program of its own: opens connections and sends garbage first flights over them, as many a second as it is told over its
// channel to its parent. It ends with its parent.
import { randomBytes, randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** What to do from now on; null: nothing, and end what is open. */
export interface FloodOrder {
  readonly port: number;
  readonly perSecond: number;
  /** `close`: each connection is ended after a moment. `hold`: they stay open, and beyond `maxOpen` the oldest is ended. */
  readonly mode: 'close' | 'hold';
  readonly maxOpen: number;
}

/** What came of it since the last report. */
export interface FloodReport {
  /** Flights that were sent. */
  readonly sent: number;
  /** Connections that were refused, reset, or could not be opened. */
  readonly failed: number;
  /** Bytes that came back: none should. */
  readonly answered: number;
  /** Connections that are open now. */
  readonly open: number;
}

const TICK_MS = 5;
/** A tick never starts more, so that a late one does not make a burst of its own. */
const MAX_PER_TICK = 100;
const LEAST_BYTES = 64;
const MOST_BYTES = 700;
/** Loopback addresses to come from: one alone has too few ports for the connections of a minute. */
const SOURCES = 60;
const isLinux = process.platform === 'linux';
const pool = randomBytes(1 << 20);

class Flooder {
  readonly #open = new Set<Socket>();
  #order: FloodOrder | null = null;
  #sinceMs = 0;
  #begun = 0;
  #sent = 0;
  #failed = 0;
  #answered = 0;

  obey(order: FloodOrder | null): void {
    this.#order = order;
    this.#sinceMs = performance.now();
    this.#begun = 0;
    if (order === null) for (const socket of this.#open) socket.end();
  }

  tick(): void {
    const order = this.#order;
    if (order === null) return;
    const due = Math.floor(((performance.now() - this.#sinceMs) * order.perSecond) / 1000) - this.#begun;
    this.#begun += due;
    for (let count = Math.min(due, MAX_PER_TICK); count > 0; count -= 1) this.#start(order);
  }

  report(): FloodReport {
    const report = { sent: this.#sent, failed: this.#failed, answered: this.#answered, open: this.#open.size };
    this.#sent = 0;
    this.#failed = 0;
    this.#answered = 0;
    return report;
  }

  #start({ port, mode, maxOpen }: FloodOrder): void {
    const from = isLinux ? { localAddress: `127.0.1.${randomInt(1, SOURCES)}` } : {};
    const socket = connect({ host: '127.0.0.1', port, noDelay: true, ...from });
    this.#open.add(socket);
    socket.once('connect', () => {
      if (socket.writableEnded) return;
      const start = randomInt(pool.length - MOST_BYTES);
      socket.write(pool.subarray(start, start + randomInt(LEAST_BYTES, MOST_BYTES + 1)));
      this.#sent += 1;
      if (mode === 'close') setTimeout(() => socket.end(), randomInt(5, 50));
    });
    socket.on('data', (chunk: Buffer) => {
      this.#answered += chunk.length;
    });
    socket.on('error', () => {
      this.#failed += 1;
    });
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size <= maxOpen) return;
    const [oldest] = this.#open;
    oldest?.end();
  }
}

const flooder = new Flooder();
setInterval(() => flooder.tick(), TICK_MS);
process.on('message', (order: FloodOrder | null | 'report') => {
  if (order === 'report') process.send?.(flooder.report());
  else flooder.obey(order);
});
process.on('disconnect', () => process.exit());
