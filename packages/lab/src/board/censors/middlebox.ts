// A censor in user space, without root: it stands at the addresses that clients are given, sees every byte, and acts on whole connections. What
// has to be true of single packets (loss, TTLs, a reset in one direction) needs a namespace.
import type { Conn, Env, Listener, SocketAddress } from '@rozan/tunnel';
import type { CellCensor } from '../cell-censor.ts';
import type { ServerPlace } from '../subject.ts';
import type { Flow, FlowRule, Packet, Verdict } from './flow-rule.ts';

/** What one TCP segment carries on an ordinary path. */
const SEGMENT_BYTES = 1448;
/** So many milliseconds' worth may burst through a policed line. */
const BURST_MS = 100;

interface Line {
  /** When what was let through so far will have passed. */
  freeMs: number;
}

/** One direction of a connection. */
interface Way {
  readonly from: Packet['from'];
  readonly source: Conn;
  readonly sink: Conn;
  /** What has come and is not yet judged. */
  readonly queue: Buffer[];
  isHeld: boolean;
  hasEnded: boolean;
}

interface Link {
  readonly flow: Flow;
  readonly conns: readonly [Conn, Conn];
  readonly counts: { client: number; server: number };
  isStalled: boolean;
  isOver: boolean;
  rate: number | null;
  hasActed: boolean;
  cancelTimer: () => void;
}

/** A censor with some rules: each acts by itself. */
export class Middlebox implements CellCensor {
  readonly #env: Env;
  readonly #listeners: Promise<Listener>[] = [];
  readonly #places = new Map<string, Promise<SocketAddress>>();
  readonly #links = new Set<Link>();
  readonly #lines = new Map<string, Line>();
  readonly #counts = new Map<string, { connections: number; acted: number }>();
  #rules: readonly FlowRule[];

  constructor(env: Env, rules: readonly FlowRule[]) {
    this.#env = env;
    this.#rules = rules;
  }

  /** Changes the rules. They see connections that are open as ones whose beginning they have missed: the next packet is the first. */
  setRules(rules: readonly FlowRule[]): void {
    this.#rules = rules;
    this.#lines.clear();
    for (const link of this.#links) {
      link.cancelTimer();
      link.rate = null;
      Object.assign(link.counts, { client: 0, server: 0 });
      for (const rule of rules) this.#apply(link, rule.onOpen?.(link.flow));
    }
  }

  routeFor(userHost: string): (place: ServerPlace) => Promise<SocketAddress> {
    return (place) => {
      const key = `${userHost} ${place.seenAs.host}:${place.seenAs.port} ${place.actual.port}`;
      const address = this.#places.get(key) ?? this.#listen(userHost, place);
      this.#places.set(key, address);
      return address;
    };
  }

  counts(userHost?: string): { connections: number; acted: number } {
    const all = [...this.#counts].filter(([host]) => userHost === undefined || host === userHost);
    const sum = (pick: (count: { connections: number; acted: number }) => number) =>
      all.reduce((total, [, count]) => total + pick(count), 0);
    return { connections: sum(({ connections }) => connections), acted: sum(({ acted }) => acted) };
  }

  async #listen(userHost: string, { actual, seenAs }: ServerPlace): Promise<SocketAddress> {
    const listening = this.#env.network.listen({ host: '127.0.0.1', port: 0 }, (client) => {
      client.on('error', () => client.destroy());
      void this.#accept(client, { userHost, server: seenAs, openedMs: this.#env.clock.monotonicMs() }, actual);
    });
    this.#listeners.push(listening);
    return (await listening).address;
  }

  #countOf(userHost: string): { connections: number; acted: number } {
    const count = this.#counts.get(userHost) ?? { connections: 0, acted: 0 };
    this.#counts.set(userHost, count);
    return count;
  }

  async #accept(client: Conn, flow: Flow, actual: SocketAddress): Promise<void> {
    this.#countOf(flow.userHost).connections += 1;
    const server = await this.#env.network.dial(actual).catch(() => null);
    if (server === null || client.destroyed) {
      server?.destroy();
      client.destroy();
      return;
    }
    server.on('error', () => server.destroy());
    const counts = { client: 0, server: 0 };
    const open = { isStalled: false, isOver: false, rate: null, hasActed: false, cancelTimer: () => {} };
    const link: Link = { flow, conns: [client, server], counts, ...open };
    this.#links.add(link);
    for (const rule of this.#rules) this.#apply(link, rule.onOpen?.(flow));
    this.#join(link, 'client');
    this.#join(link, 'server');
  }

  #join(link: Link, from: Packet['from']): void {
    const [source, sink] = from === 'client' ? link.conns : [link.conns[1], link.conns[0]];
    const way: Way = { from, source, sink, queue: [], isHeld: false, hasEnded: false };
    source.on('data', (bytes: Buffer) => this.#carry(link, way, bytes));
    source.on('end', () => {
      way.hasEnded = true;
      if (!way.isHeld) this.#pump(link, way);
    });
    source.once('close', () => {
      if (source.errored !== null && !link.isStalled) sink.resetAndDestroy?.();
      if (link.isStalled) return;
      if (sink.destroyed) this.#close(link);
      else if (!source.readableEnded) sink.destroy();
    });
  }

  #close(link: Link): void {
    if (link.isOver) return;
    link.isOver = true;
    link.cancelTimer();
    this.#links.delete(link);
    for (const rule of this.#rules) rule.onClose?.(link.flow);
    for (const conn of link.conns) conn.destroy();
  }

  #carry(link: Link, way: Way, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) way.queue.push(bytes.subarray(at, at + SEGMENT_BYTES));
    this.#pump(link, way);
  }

  /** Passes on what waits, as far as the line and the receiver take it. */
  #pump(link: Link, way: Way): void {
    while (!way.isHeld && !link.isStalled && !link.isOver) {
      const [piece] = way.queue;
      if (piece === undefined) {
        if (way.hasEnded) way.sink.end();
        return;
      }
      const busyMs = this.#lineBusyMs(link, way.from);
      if (busyMs > 0) {
        this.#hold(link, way, (go) => this.#env.clock.setTimer(busyMs, go));
        return;
      }
      way.queue.shift();
      this.#judge(link, way.from, piece);
      if (link.isStalled || link.isOver) return;
      this.#occupy(link, way.from, piece.length);
      if (!way.sink.write(piece)) this.#hold(link, way, (go) => way.sink.once('drain', go));
    }
  }

  #hold(link: Link, way: Way, wait: (go: () => void) => void): void {
    way.isHeld = true;
    way.source.pause();
    wait(() => {
      way.isHeld = false;
      if (link.isStalled || link.isOver) return;
      way.source.resume();
      this.#pump(link, way);
    });
  }

  #judge(link: Link, from: Packet['from'], bytes: Buffer): void {
    const { counts, flow } = link;
    const packet = { from, bytes, index: counts.client + counts.server, indexInDirection: counts[from] };
    counts[from] += 1;
    const nowMs = this.#env.clock.monotonicMs();
    for (const rule of this.#rules) this.#apply(link, rule.onPacket?.(flow, { ...packet, nowMs }));
  }

  /** How long the line of this user is still busy; the line is one for all connections of a user. */
  #lineBusyMs(link: Link, from: Packet['from']): number {
    if (link.rate === null) return 0;
    const line = this.#lines.get(`${link.flow.userHost} ${from}`);
    return line === undefined ? 0 : line.freeMs - this.#env.clock.monotonicMs() - BURST_MS;
  }

  #occupy(link: Link, from: Packet['from'], bytes: number): void {
    if (link.rate === null) return;
    const name = `${link.flow.userHost} ${from}`;
    const nowMs = this.#env.clock.monotonicMs();
    const freeMs = Math.max(this.#lines.get(name)?.freeMs ?? 0, nowMs);
    this.#lines.set(name, { freeMs: freeMs + (bytes / link.rate) * 1000 });
  }

  #apply(link: Link, verdict: Verdict | undefined): void {
    if (verdict === undefined || verdict.act === 'pass' || link.isStalled || link.isOver) return;
    if (!link.hasActed) this.#countOf(link.flow.userHost).acted += 1;
    link.hasActed = true;
    if (verdict.act === 'police') {
      link.rate = verdict.bytesPerSecond;
    } else if (verdict.act === 'at-age') {
      const leftMs = link.flow.openedMs + verdict.ageMs - this.#env.clock.monotonicMs();
      link.cancelTimer();
      link.cancelTimer = this.#env.clock.setTimer(Math.max(0, leftMs), () => this.#apply(link, { act: verdict.then }));
    } else if (verdict.act === 'drop') {
      link.isStalled = true;
      // Unread, as on a path that drops: nothing is acknowledged for long, and neither end hears of the other's.
      for (const conn of link.conns) conn.pause();
    } else {
      link.isOver = true;
      link.cancelTimer();
      this.#links.delete(link);
      for (const rule of this.#rules) rule.onClose?.(link.flow);
      for (const conn of link.conns) conn.resetAndDestroy?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const listeners = await Promise.all(this.#listeners);
    await Promise.all(listeners.map((listener) => listener.close()));
    for (const link of [...this.#links]) this.#close(link);
  }
}
