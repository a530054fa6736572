import type { CancelTimer, Clock } from '@rozan/tunnel';
import { DETACHED_BOUNDS, MEMORY_BOUNDS } from './constants.ts';
import { DetachedList } from './detached-list.ts';

/** Why the relay ends a session by itself. */
export type EvictionCause =
  /** It has been without a carrier for longer than it is kept. */
  | 'retention'
  /** The relay's memory budget is used up. */
  | 'memory'
  /** Too many sessions of its channel or prefix are without a carrier. */
  | 'detached-cap';

/** What a session that may read again is taken to read at once, and for how long that is held against the others. */
const PROMISED_BYTES = 128 * 1024;
const PROMISE_MS = 50;

/** A session, as far as the budget is concerned. */
export interface BudgetedSession {
  readonly channel: string;
  /** The source's key, or null if no cap per prefix holds for it. */
  readonly prefix: string | null;
  /** Ends the session with a typed reset. Must lead to `close()` of its account, at once or later. */
  evict(cause: EvictionCause): void;
}

/** The bounds of the budget. */
export interface BudgetBounds {
  readonly totalBytes: number;
  readonly liveSessionBytes: number;
  readonly detachedSessionBytes: number;
  readonly oversizeShare: number;
  readonly resumeShare: number;
  readonly retentionMs: number;
  readonly perChannel: number;
  readonly perPrefix: number;
}

/** The bounds of `limits/constants.ts` for a machine with `machineBytes` of memory. */
export function budgetBounds(machineBytes: number): BudgetBounds {
  const { shareOfMachine, leastTotalBytes, liveSessionBytes, underWayBytes, ...rest } = MEMORY_BOUNDS;
  return {
    ...rest,
    ...DETACHED_BOUNDS,
    liveSessionBytes: liveSessionBytes - underWayBytes,
    totalBytes: Math.max(leastTotalBytes, Math.floor(machineBytes * shareOfMachine)),
  };
}

/** One session's share of the relay's memory. */
export interface SessionAccount {
  /** Bytes held now. */
  readonly bytes: number;
  /**
   * Counts bytes that the session now holds. False means: read no more, from carriers and destinations, until `onRoom` has called back;
   * the bytes are counted all the same, for they exist.
   */
  charge(bytes: number): boolean;
  /** Gives bytes back. */
  release(bytes: number): void;
  /** Whether more may be read. */
  hasRoom(): boolean;
  /** Calls `callback` once, as soon as there is room; at once if there is. One callback waits at a time: a later one takes its place. */
  onRoom(callback: () => void): void;
  /** The session has lost its last carrier. Starts its retention; may evict it, or others, for a cap. */
  detach(): void;
  /** The session has a carrier again. */
  attach(): void;
  /** The session is over: all is given back. Calling it again does nothing. */
  close(): void;
}

class Account implements SessionAccount {
  readonly session: BudgetedSession;
  readonly #budget: MemoryBudget;
  readonly #limit: number;
  #waiting: (() => void) | null = null;
  #isClosed = false;
  bytes = 0;

  constructor(budget: MemoryBudget, session: BudgetedSession, limit: number) {
    this.#budget = budget;
    this.session = session;
    this.#limit = limit;
  }

  charge(bytes: number): boolean {
    if (this.#isClosed) return false;
    this.bytes += bytes;
    this.#budget.add(bytes);
    return this.bytes <= this.#limit && this.#budget.hasRoom();
  }

  release(bytes: number): void {
    if (this.#isClosed) return;
    const given = Math.min(bytes, this.bytes);
    this.bytes -= given;
    this.#budget.add(-given);
    this.wake();
  }

  hasRoom(): boolean {
    return !this.#isClosed && this.bytes <= this.#limit && this.#budget.hasRoom();
  }

  onRoom(callback: () => void): void {
    if (this.hasRoom()) callback();
    else if (!this.#isClosed) {
      this.#waiting = callback;
      this.#budget.noteWaiting(this);
    }
  }

  /** Calls back whoever waits, once there is room to spare: not at every byte around the bound. */
  wake(): void {
    const callback = this.#waiting;
    if (callback === null) return;
    if (this.bytes > this.#limit * MEMORY_BOUNDS.resumeShare || !this.#budget.hasRoomToSpare()) return;
    this.#waiting = null;
    this.#budget.noteServed(this);
    callback();
  }

  detach(): void {
    if (!this.#isClosed) this.#budget.noteDetached(this);
  }

  attach(): void {
    this.#budget.noteAttached(this);
  }

  close(): void {
    if (this.#isClosed) return;
    const { bytes } = this;
    this.#isClosed = true;
    this.bytes = 0;
    this.#waiting = null;
    this.#budget.noteServed(this);
    this.#budget.forget(this, bytes);
  }
}

/**
 * The relay-wide account of what sessions hold (DESIGN §3.5). Over budget, the longest detached sessions are ended until it fits.
 * A session may hold `detachedSessionBytes` through its whole retention; what is above is kept while the relay has room to spare,
 * so that a cut in the middle of a fast download costs nothing on a relay that is not pressed.
 */
export class MemoryBudget {
  readonly #bounds: BudgetBounds;
  readonly #detached: DetachedList<Account>;
  /** Detached accounts above `detachedSessionBytes`, the longest detached first. */
  readonly #oversized = new Set<Account>();
  /** Accounts that wait for room, the longest waiting first. */
  readonly #waiting = new Set<Account>();
  readonly #clock: Clock;
  #promisedBytes = 0;
  #cancelPromises: CancelTimer | null = null;
  #bytes = 0;
  #isEvicting = false;

  constructor(clock: Clock, bounds: BudgetBounds) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#detached = new DetachedList(clock, {
      ...bounds,
      groupsOf: ({ session }) => ({ channel: session.channel, prefix: session.prefix }),
      onDue: (account, cause) => this.#evict(account, cause),
    });
  }

  /** Bytes that all sessions hold together. */
  get chargedBytes(): number {
    return this.#bytes;
  }

  /** Bytes that all sessions together may hold. */
  get totalBytes(): number {
    return this.#bounds.totalBytes;
  }

  /** Sessions without a carrier. */
  get detachedCount(): number {
    return this.#detached.size;
  }

  /** Opens the account of a session that has a carrier. */
  register(session: BudgetedSession): SessionAccount {
    const account = new Account(this, session, this.#bounds.liveSessionBytes);
    return account;
  }

  /** Whether sessions may read on. */
  hasRoom(): boolean {
    return this.#bytes <= this.#bounds.totalBytes;
  }

  /** Whether sessions that have stopped may read again. */
  hasRoomToSpare(): boolean {
    return this.#bytes <= this.#bounds.totalBytes * this.#bounds.resumeShare;
  }

  /** For accounts: bytes more, or fewer. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0) this.#shrink();
    else if (this.#waiting.size > 0) this.#serveWaiting();
  }

  /** For accounts: the session waits for room, behind those that wait already. */
  noteWaiting(account: Account): void {
    this.#waiting.add(account);
  }

  /** For accounts: the session waits no more. */
  noteServed(account: Account): void {
    this.#waiting.delete(account);
  }

  /** For accounts: the session has lost its last carrier. */
  noteDetached(account: Account): void {
    if (account.bytes > this.#bounds.detachedSessionBytes) this.#oversized.add(account);
    this.#detached.add(account);
    this.#shrink();
  }

  /** For accounts: the session has a carrier again. */
  noteAttached(account: Account): void {
    this.#leave(account);
  }

  /** For accounts: the session is over. */
  forget(account: Account, bytes: number): void {
    this.#leave(account);
    this.add(-bytes);
  }

  /** Ends all timers; accounts stay as they are. */
  close(): void {
    this.#cancelPromises?.();
    this.#detached.close();
  }

  #leave(account: Account): void {
    this.#detached.delete(account);
    this.#oversized.delete(account);
  }

  #evict(account: Account, cause: EvictionCause): void {
    this.#leave(account);
    account.session.evict(cause);
    account.close();
  }

  #shrink(): void {
    // Ending one session may charge or release others on the way: one loop at a time.
    if (this.#isEvicting) return;
    this.#isEvicting = true;
    const { totalBytes, oversizeShare } = this.#bounds;
    for (const account of this.#oversized) {
      if (this.#bytes <= totalBytes * oversizeShare) break;
      this.#evict(account, 'memory');
    }
    for (const account of this.#detached.oldestFirst()) {
      if (this.#bytes <= totalBytes) break;
      this.#evict(account, 'memory');
    }
    this.#isEvicting = false;
  }

  /** Lets as many read again as a first read of each leaves room for, the longest waiting first. What they read is counted only later. */
  #serveWaiting(): void {
    for (const account of [...this.#waiting]) {
      if (this.#bytes + this.#promisedBytes > this.#bounds.totalBytes * this.#bounds.resumeShare) break;
      this.#promisedBytes += PROMISED_BYTES;
      account.wake();
    }
    if (this.#promisedBytes === 0 || this.#cancelPromises !== null) return;
    this.#cancelPromises = this.#clock.setTimer(PROMISE_MS, () => {
      this.#cancelPromises = null;
      this.#promisedBytes = 0;
      this.#serveWaiting();
    });
  }
}
