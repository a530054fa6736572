// Which first flights a relay has seen (docs/spec/wire.md §3.6). An entry is a string of 16 one-byte characters in a Set:
// about 70 bytes of memory, at most 90.
import { ByteReader } from './bytes.ts';
import { ProtocolError } from './errors.ts';

/** Bytes by which a flight is remembered: the first ones of its commit. */
export const REPLAY_ID_BYTES = 16;
/** Bytes of a stored entry: replay id ‖ time u48. */
export const REPLAY_ENTRY_BYTES: number = REPLAY_ID_BYTES + 6;

const SECOND_MS = 1000;
const HOUR_MS = 3600 * SECOND_MS;
const SYNCED: MemoryRules = { windowMs: 90 * SECOND_MS, rememberMs: 180 * SECOND_MS, generationMs: 20 * SECOND_MS };
const UNSYNCED: MemoryRules = { windowMs: 12 * HOUR_MS, rememberMs: 25 * HOUR_MS, generationMs: HOUR_MS };

interface MemoryRules {
  /** How far a stamp may be from now. */
  readonly windowMs: number;
  /** How long an id is remembered: at least twice the window. */
  readonly rememberMs: number;
  /** Ids that came within this time are forgotten together. */
  readonly generationMs: number;
}

/** What `ReplayMemory` needs. */
export interface ReplayMemoryOptions {
  /** When the relay started: synced flights stamped earlier are refused, for the memory of them is gone. */
  readonly startMs: number;
  /** The most synced flights remembered at once. */
  readonly syncedCapacity?: number;
  /** The most unsynced flights remembered at once. */
  readonly unsyncedCapacity?: number;
  /** Unsynced flights that one channel may have accepted per second, in the long run. */
  readonly unsyncedPerSecond?: number;
  /** Unsynced flights that one channel may have accepted at once. */
  readonly unsyncedBurst?: number;
}

/** A flight to be judged. */
export interface ReplayQuery {
  readonly channelId: string;
  readonly replayId: Buffer;
  readonly stampMs: number;
  readonly synced: boolean;
  /** The relay's clock, in milliseconds since 1970. */
  readonly nowMs: number;
}

/** An unsynced flight, to be remembered over a restart. */
export interface ReplayEntry {
  readonly replayId: Buffer;
  readonly receivedMs: number;
}

/** The verdict on a flight; whatever is not `fresh` is a stranger's. */
export type ReplayVerdict =
  /** Now remembered. `persist`, when it is not null, must be on disk before the flight is answered. */
  | { readonly kind: 'fresh'; readonly persist: ReplayEntry | null }
  /** Its stamp is too far from now, or from a time of which the memory is gone. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'replayed' }
  /** It cannot be remembered now, because of a cap or a rate. */
  | { readonly kind: 'full' };

interface Generation {
  readonly firstMs: number;
  lastMs: number;
  readonly ids: Set<string>;
}

/** Ids in generations. A stamp that a forgotten id may have had is refused for ever, even when the clock is set back. */
class IdMemory {
  readonly #rules: MemoryRules;
  readonly #capacity: number;
  #floorMs: number;
  #generations: Generation[] = [];
  #size = 0;

  constructor(rules: MemoryRules, capacity: number, floorMs: number) {
    this.#rules = rules;
    this.#capacity = capacity;
    this.#floorMs = floorMs;
  }

  get size(): number {
    return this.#size;
  }

  forget(nowMs: number): void {
    const { rememberMs, windowMs } = this.#rules;
    const isOver = ({ lastMs }: Generation) => lastMs + rememberMs < nowMs;
    if (!this.#generations.some(isOver)) return;
    for (const { lastMs, ids } of this.#generations.filter(isOver)) {
      this.#floorMs = Math.max(this.#floorMs, lastMs + windowMs + 1);
      this.#size -= ids.size;
    }
    this.#generations = this.#generations.filter((generation) => !isOver(generation));
  }

  isStale(stampMs: number, nowMs: number): boolean {
    return Math.abs(nowMs - stampMs) > this.#rules.windowMs || stampMs < this.#floorMs;
  }

  has(id: string): boolean {
    return this.#generations.some(({ ids }) => ids.has(id));
  }

  isFull(): boolean {
    return this.#size >= this.#capacity;
  }

  add(id: string, atMs: number): void {
    let generation = this.#generations.at(-1);
    if (
      generation === undefined ||
      atMs < generation.firstMs ||
      atMs >= generation.firstMs + this.#rules.generationMs
    ) {
      generation = { firstMs: atMs, lastMs: atMs, ids: new Set() };
      this.#generations.push(generation);
    }
    generation.lastMs = Math.max(generation.lastMs, atMs);
    generation.ids.add(id);
    this.#size += 1;
  }

  *entries(): Generator<ReplayEntry> {
    for (const { ids, lastMs } of this.#generations) {
      for (const id of ids) yield { replayId: Buffer.from(id, 'latin1'), receivedMs: lastMs };
    }
  }
}

/** A token bucket; time that goes back adds nothing. */
class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / SECOND_MS) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/**
 * Judges first flights whose outer layer is authentic. One for all workers of a relay. When it is full it refuses; it never forgets
 * a flight that could still be replayed. With the defaults it takes at most about 110 MB, and no one channel can fill the unsynced half.
 */
export class ReplayMemory {
  readonly #synced: IdMemory;
  readonly #unsynced: IdMemory;
  readonly #rates = new Map<string, RateLimit>();
  readonly #perSecond: number;
  readonly #burst: number;

  constructor(options: ReplayMemoryOptions) {
    const { startMs, syncedCapacity = 2 ** 18, unsyncedCapacity = 1_000_000 } = options;
    this.#synced = new IdMemory(SYNCED, syncedCapacity, startMs);
    this.#unsynced = new IdMemory(UNSYNCED, unsyncedCapacity, Number.NEGATIVE_INFINITY);
    this.#perSecond = options.unsyncedPerSecond ?? 10;
    this.#burst = options.unsyncedBurst ?? 2000;
  }

  /** Flights remembered now. */
  get size(): number {
    return this.#synced.size + this.#unsynced.size;
  }

  /** Judges a flight and, when it is fresh, remembers it. */
  check({ channelId, replayId, stampMs, synced, nowMs }: ReplayQuery): ReplayVerdict {
    const memory = synced ? this.#synced : this.#unsynced;
    memory.forget(nowMs);
    if (memory.isStale(stampMs, nowMs)) return { kind: 'stale' };
    const id = idOf(replayId);
    if (memory.has(id)) return { kind: 'replayed' };
    if (memory.isFull() || !(synced || this.#rateOf(channelId, nowMs).take(nowMs))) return { kind: 'full' };
    memory.add(id, nowMs);
    return { kind: 'fresh', persist: synced ? null : { replayId: Buffer.from(id, 'latin1'), receivedMs: nowMs } };
  }

  /** Remembers what an earlier run persisted, in the order in which it was written; the capacity does not hold here. */
  restore(entries: Iterable<ReplayEntry>, nowMs: number): void {
    for (const { replayId, receivedMs } of entries) {
      const id = idOf(replayId);
      if (!this.#unsynced.has(id)) this.#unsynced.add(id, receivedMs);
    }
    this.#unsynced.forget(nowMs);
  }

  /** What a rewritten file must hold; an entry's time may be up to an hour later than it was, never earlier. */
  persistent(): Iterable<ReplayEntry> {
    return this.#unsynced.entries();
  }

  #rateOf(channelId: string, nowMs: number): RateLimit {
    const known = this.#rates.get(channelId);
    if (known !== undefined) return known;
    const rate = new RateLimit(this.#perSecond, this.#burst, nowMs);
    this.#rates.set(channelId, rate);
    return rate;
  }
}

function idOf(replayId: Buffer): string {
  if (replayId.length !== REPLAY_ID_BYTES) throw new ProtocolError('out-of-bounds', 'replay id');
  return replayId.toString('latin1');
}

/** An entry as it is appended to the file. */
export function encodeReplayEntry({ replayId, receivedMs }: ReplayEntry): Buffer {
  const bytes = Buffer.alloc(REPLAY_ENTRY_BYTES);
  replayId.copy(bytes, 0);
  bytes.writeUIntBE(receivedMs, REPLAY_ID_BYTES, 6);
  return bytes;
}

/** The entries of a file. A last one that was written in part is left out; cut the file to whole entries before appending. */
export function decodeReplayEntries(bytes: Buffer): ReplayEntry[] {
  const reader = new ByteReader(bytes);
  const entries: ReplayEntry[] = [];
  while (reader.remaining >= REPLAY_ENTRY_BYTES) {
    const replayId = reader.bytes(REPLAY_ID_BYTES);
    entries.push({ replayId, receivedMs: reader.uint16() * 0x1_0000_0000 + reader.uint32() });
  }
  return entries;
}
