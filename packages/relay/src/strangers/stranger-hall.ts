// Connections that are no carriers, or not yet (DESIGN §3.2 "Strangers", §7.3): those that have sent nothing, a part of a first flight,
// or something that is no handshake of ours. A prober learns by what a listener does with these, so it does nothing: what they send is
// read and thrown away (closing with unread bytes would send an RST), nothing is ever written, and the connection ends only after the
// peer has ended it, or has been silent for a time that is the relay's own.
//
// What happens at the caps. A listener of Node cannot leave connections in the kernel's queue: it accepts whatever comes until it is
// closed. Holding accepted connections unread would not help either: Node fills a paused socket's buffer of 64 KiB first, and a window
// that closes is a sign to a prober, while draining costs no memory. So every stranger is drained, and "stop accepting" means:
// 1. At `total` connections `onFull` asks the relay to close its listening sockets (connections stay), and below `reopenShare` of it
//    `onRoom` to open them again.
// 2. So that one prefix alone does not bring this about, its oldest is let go when it has more than `perPrefix`, if that is older than
//    `leastAgeMs`, which is more than any known prober waits, or when it has more than `perPrefixAtAnyAge`. A program of this machine,
//    which stands for everyone, is no prefix.
import type { CancelTimer, Clock, Conn, Random } from '@rozan/tunnel';
import { STRANGER_BOUNDS } from '../limits/constants.ts';
import type { Source } from '../limits/source-key.ts';

/** The bounds, as `STRANGER_BOUNDS` names them. */
export type StrangerBounds = { readonly [Name in keyof typeof STRANGER_BOUNDS]: number };

/** What `StrangerHall` needs. */
export interface StrangerHallOptions {
  /** The relay's own idle time; see `drawStrangerIdleMs`. */
  readonly idleMs: number;
  /** The cap in total is reached: close the listening sockets, and nothing else. */
  readonly onFull: () => void;
  /** There is room again: listen again. */
  readonly onRoom: () => void;
  readonly bounds?: Partial<StrangerBounds> | undefined;
}

/** A connection between its acceptance and the verdict of its handshake. To be told exactly one of the three. */
export interface Guest {
  /** It is a carrier: the hall forgets it and takes its hands off. */
  leave(): void;
  /**
   * It is a stranger, for good, or its peer has ended it before its handshake was whole. The hall owns it from here;
   * whoever has read from it must have removed its listeners.
   */
  turnAway(): void;
  /** Bytes have come: the idle time starts again. Not needed after `turnAway`. */
  touch(): void;
}

/** Draws the idle time of a relay, once in its life: it goes into the data folder, because a value per start would be a fingerprint. */
export function drawStrangerIdleMs(random: Random): number {
  const { leastIdleMs, longestIdleMs } = STRANGER_BOUNDS;
  return Math.round(leastIdleMs + random.fraction() * (longestIdleMs - leastIdleMs));
}

/** Its handshake is being read elsewhere; all it sends is thrown away; or that, and our end is sent. */
type State = 'waiting' | 'drained' | 'ended';

interface Stranger {
  readonly conn: Conn;
  readonly source: Source;
  readonly arrivedMs: number;
  readonly idleMs: number;
  state: State;
  lastHeardMs: number;
}

/** Keeps strangers, and connections that may turn out to be such, until they go by themselves. */
export class StrangerHall {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: StrangerHallOptions;
  readonly #bounds: StrangerBounds;
  readonly #strangers = new Set<Stranger>();
  /** Strangers of each prefix, the oldest first. */
  readonly #prefixes = new Map<string, Set<Stranger>>();
  #cancelSweep: CancelTimer | null = null;
  #isFull = false;

  constructor(env: { readonly clock: Clock; readonly random: Random }, options: StrangerHallOptions) {
    this.#clock = env.clock;
    this.#random = env.random;
    this.#options = options;
    this.#bounds = { ...STRANGER_BOUNDS, ...options.bounds };
  }

  /** Connections in the hall, those whose handshake is under way included. */
  get count(): number {
    return this.#strangers.size;
  }

  /** Strangers for good. */
  get turnedAwayCount(): number {
    let count = 0;
    for (const { state } of this.#strangers) if (state !== 'waiting') count += 1;
    return count;
  }

  /** Takes in an accepted connection. To be called at once, before its handshake is read. */
  admit(conn: Conn, source: Source): Guest {
    const nowMs = this.#clock.monotonicMs();
    const jitter = 1 + this.#bounds.idleJitter * (2 * this.#random.fraction() - 1);
    const idleMs = this.#options.idleMs * jitter;
    const stranger: Stranger = { conn, source, arrivedMs: nowMs, idleMs, state: 'waiting', lastHeardMs: nowMs };
    const forget = (): void => this.#forget(stranger);
    conn.on('error', ignoreError);
    conn.once('close', forget);
    this.#strangers.add(stranger);
    this.#addToPrefix(stranger);
    this.#scheduleSweep();
    this.#checkFull();
    return {
      leave: () => {
        conn.off('close', forget);
        conn.off('error', ignoreError);
        this.#forget(stranger);
      },
      turnAway: () => this.#turnAway(stranger),
      touch: () => {
        stranger.lastHeardMs = this.#clock.monotonicMs();
      },
    };
  }

  /** Ends all connections at once, for the relay's own end. */
  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = null;
    for (const { conn } of [...this.#strangers]) conn.destroy();
  }

  #turnAway(stranger: Stranger): void {
    const { conn } = stranger;
    if (stranger.state !== 'waiting' || !this.#strangers.has(stranger)) return;
    stranger.state = 'drained';
    conn.on('data', () => {
      if (stranger.state === 'drained') stranger.lastHeardMs = this.#clock.monotonicMs();
    });
    conn.once('end', () => this.#end(stranger));
    if (conn.readableEnded) this.#end(stranger);
    else conn.resume();
  }

  /** Sends our end. Reading goes on, so that no byte stays unread when the connection closes. */
  #end(stranger: Stranger): void {
    if (stranger.state === 'ended') return;
    stranger.state = 'ended';
    // It counts in total until it is closed, but no longer in its prefix: the next to go is the next oldest.
    this.#removeFromPrefix(stranger);
    stranger.lastHeardMs = this.#clock.monotonicMs();
    stranger.conn.resume();
    stranger.conn.end();
  }

  #forget(stranger: Stranger): void {
    if (!this.#strangers.delete(stranger)) return;
    this.#removeFromPrefix(stranger);
    if (this.#strangers.size === 0) {
      this.#cancelSweep?.();
      this.#cancelSweep = null;
    }
    this.#checkRoom();
  }

  /** Counts a newcomer in its prefix, whose oldest goes if there are too many. */
  #addToPrefix(stranger: Stranger): void {
    const { key, isLocal } = stranger.source;
    if (isLocal) return;
    const members = this.#prefixes.get(key) ?? new Set();
    this.#prefixes.set(key, members.add(stranger));
    const [oldest] = members;
    if (oldest === undefined || members.size <= this.#bounds.perPrefix) return;
    const isOld = this.#clock.monotonicMs() - oldest.arrivedMs >= this.#bounds.leastAgeMs;
    if (isOld || members.size > this.#bounds.perPrefixAtAnyAge) this.#end(oldest);
  }

  #removeFromPrefix(stranger: Stranger): void {
    const members = this.#prefixes.get(stranger.source.key);
    members?.delete(stranger);
    if (members?.size === 0) this.#prefixes.delete(stranger.source.key);
  }

  #checkFull(): void {
    if (this.#isFull || this.#strangers.size < this.#bounds.total) return;
    this.#isFull = true;
    this.#options.onFull();
  }

  #checkRoom(): void {
    if (!this.#isFull || this.#strangers.size >= this.#bounds.total * this.#bounds.reopenShare) return;
    this.#isFull = false;
    this.#options.onRoom();
  }

  #scheduleSweep(): void {
    if (this.#cancelSweep !== null) return;
    this.#cancelSweep = this.#clock.setTimer(this.#bounds.sweepMs, () => {
      this.#cancelSweep = null;
      for (const stranger of [...this.#strangers]) this.#visit(stranger);
      if (this.#strangers.size > 0) this.#scheduleSweep();
    });
  }

  #visit(stranger: Stranger): void {
    const silentMs = this.#clock.monotonicMs() - stranger.lastHeardMs;
    if (stranger.conn.destroyed) this.#forget(stranger);
    else if (stranger.state !== 'ended' && silentMs >= stranger.idleMs) this.#end(stranger);
    else if (stranger.state === 'ended' && silentMs >= this.#bounds.lingerMs) stranger.conn.destroy();
  }
}

/** A stranger's reset is of no interest: `close` follows. */
function ignoreError(): void {}
