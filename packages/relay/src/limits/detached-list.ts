import type { CancelTimer, Clock } from '@rozan/tunnel';

/** What `DetachedList` is told. */
export interface DetachedListOptions<T> {
  readonly retentionMs: number;
  readonly perChannel: number;
  readonly perPrefix: number;
  /** The channel and the prefix by which a member is capped; a prefix of null is not capped. */
  readonly groupsOf: (member: T) => { readonly channel: string; readonly prefix: string | null };
  /** A member's time is over, or a cap wants it gone. It has left the list when this is called. */
  readonly onDue: (member: T, cause: 'retention' | 'detached-cap') => void;
}

/** Members in the order in which they came, each for a bounded time; when a group is full its longest-standing member goes. */
export class DetachedList<T> {
  readonly #clock: Clock;
  readonly #options: DetachedListOptions<T>;
  /** When each member came; a Map keeps their order. */
  readonly #sinceMs = new Map<T, number>();
  readonly #groups = new Map<string, Set<T>>();
  #cancelTimer: CancelTimer | null = null;

  constructor(clock: Clock, options: DetachedListOptions<T>) {
    this.#clock = clock;
    this.#options = options;
  }

  get size(): number {
    return this.#sinceMs.size;
  }

  /** The members, the longest-standing first. They may be deleted on the way. */
  oldestFirst(): Iterable<T> {
    return this.#sinceMs.keys();
  }

  /** Adds a member that is not in it, as the newest. */
  add(member: T): void {
    if (this.#sinceMs.has(member)) return;
    this.#sinceMs.set(member, this.#clock.monotonicMs());
    for (const { name, most } of this.#groupsOf(member)) {
      const group = this.#groups.get(name) ?? new Set();
      this.#groups.set(name, group.add(member));
      const [oldest] = group;
      if (group.size > most && oldest !== undefined) this.#expel(oldest, 'detached-cap');
    }
    this.#schedule();
  }

  delete(member: T): void {
    if (!this.#sinceMs.delete(member)) return;
    for (const { name } of this.#groupsOf(member)) {
      const group = this.#groups.get(name);
      group?.delete(member);
      if (group?.size === 0) this.#groups.delete(name);
    }
  }

  /** Stops the clock: no member's time ends any more. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #groupsOf(member: T): readonly { readonly name: string; readonly most: number }[] {
    const { groupsOf, perChannel, perPrefix } = this.#options;
    const { channel, prefix } = groupsOf(member);
    const groups = [{ name: `channel ${channel}`, most: perChannel }];
    if (prefix !== null) groups.push({ name: `prefix ${prefix}`, most: perPrefix });
    return groups;
  }

  #expel(member: T, cause: 'retention' | 'detached-cap'): void {
    this.delete(member);
    this.#options.onDue(member, cause);
  }

  /** One timer, for the member whose time ends first. */
  #schedule(): void {
    if (this.#cancelTimer !== null) return;
    const [first] = this.#sinceMs;
    if (first === undefined) return;
    const dueMs = first[1] + this.#options.retentionMs - this.#clock.monotonicMs();
    this.#cancelTimer = this.#clock.setTimer(Math.max(0, dueMs), () => {
      this.#cancelTimer = null;
      this.#expelDue();
      this.#schedule();
    });
  }

  #expelDue(): void {
    const dueMs = this.#clock.monotonicMs() - this.#options.retentionMs;
    for (const [member, sinceMs] of this.#sinceMs) {
      if (sinceMs > dueMs) return;
      this.#expel(member, 'retention');
    }
  }
}
