import type { CancelTimer, Clock, Conn } from '@rozan/tunnel';
import type { FlowEvent, Side, Tuple } from './flow.ts';
import type { Verdict } from './verdict.ts';

/** What one TCP segment carries on an ordinary path. */
const SEGMENT_BYTES = 1448;
/** What a segment that a censor lost comes late, and all behind it: the least time after which Linux sends again. Ours. */
const RETRANSMIT_MS = 200;
/** So much may wait in one direction to be passed on later. */
const MAX_DELAYED_BYTES = 4 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** What a link needs. */
export interface LinkOptions {
  readonly tuple: Tuple;
  readonly client: Conn;
  readonly server: Conn;
  readonly clock: Clock;
  readonly judge: (event: FlowEvent) => Verdict;
  readonly onOver: () => void;
}

/** One direction. */
interface Lane {
  readonly from: Side;
  readonly source: Conn;
  readonly sink: Conn;
  /** What has come and is not judged. */
  readonly arrived: Buffer[];
  /** What passes, and when; null: the end. */
  readonly leaving: { readonly bytes: Buffer | null; readonly dueMs: number }[];
  leavingBytes: number;
  isHeld: boolean;
  isSilent: boolean;
  cancelLeaving: CancelTimer | null;
}

function newLane(from: Side, source: Conn, sink: Conn): Lane {
  const open = { leavingBytes: 0, isHeld: false, isSilent: false, cancelLeaving: null };
  return { from, source, sink, arrived: [], leaving: [], ...open };
}

/** One connection through the middlebox: two conns, and what is judged between them. */
export class Link {
  readonly #options: LinkOptions;
  readonly #lanes: readonly [Lane, Lane];
  #isOver = false;
  #cancelTick: CancelTimer = () => {};
  #tickAtMs: number | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { client, server } = options;
    this.#lanes = [newLane('client', client, server), newLane('server', server, client)];
  }

  /** Whether nothing passes any more, in one direction at least. */
  get isSilent(): boolean {
    return this.#lanes.some(({ isSilent }) => isSilent);
  }

  /** Judges its opening, then carries. */
  start(): void {
    this.#follow(this.#judge('open', 'client', NOTHING));
    for (const lane of this.#lanes) {
      lane.source.on('data', (bytes: Buffer) => {
        lane.arrived.push(bytes);
        this.#pump(lane);
      });
      lane.source.once('end', () => {
        lane.arrived.push(NOTHING);
        this.#pump(lane);
      });
      lane.source.once('close', () => this.#onClose(lane));
    }
    for (const lane of this.#lanes) if (lane.isSilent) lane.source.pause();
  }

  /** Asks again what becomes of it: time has passed, or the rules have changed. */
  tick(): void {
    if (!this.#isOver) this.#follow(this.#judge('tick', 'client', NOTHING));
  }

  /** Ends both connections without a word to the rules' targets. */
  destroy(): void {
    this.#end((conn) => conn.destroy());
  }

  #judge(kind: FlowEvent['kind'], from: Side, payload: Buffer): Verdict {
    const atMs = this.#options.clock.monotonicMs();
    const verdict = this.#options.judge({ kind, atMs, tuple: this.#options.tuple, from, payload });
    this.#tickAt(verdict.recheckAtMs);
    return verdict;
  }

  #tickAt(atMs: number | null): void {
    if (atMs === this.#tickAtMs) return;
    this.#tickAtMs = atMs;
    this.#cancelTick();
    if (atMs === null) return;
    const { clock } = this.#options;
    this.#cancelTick = clock.setTimer(Math.max(0, atMs - clock.monotonicMs()), () => {
      this.#tickAtMs = null;
      // A timer may be a little early.
      if (clock.monotonicMs() < atMs) this.#tickAt(atMs);
      else this.tick();
    });
  }

  /** Does what is not about one packet. Whether the packet passes. */
  #follow({ outcome }: Verdict): boolean {
    switch (outcome.act) {
      case 'pass':
      case 'police':
        return true;
      case 'reset':
        // Either end's reset has the other's packets answered with one, so that both see it.
        this.#end((conn) => (conn.resetAndDestroy === undefined ? conn.destroy() : conn.resetAndDestroy()));
        return false;
      case 'drop':
        if (outcome.scope === 'packet') return true;
        for (const lane of this.#lanes) {
          if (outcome.ways === 'both' || (outcome.ways === 'up') === (lane.from === 'client')) this.#silence(lane);
        }
        return false;
      case 'forge':
        this.#forge(outcome.answer, outcome.afterwards);
        return outcome.afterwards === 'pass';
    }
  }

  #silence(lane: Lane): void {
    lane.isSilent = true;
    // Unread, as on a path that drops: the sender is stuck, and neither end hears of the other's end.
    lane.source.pause();
    lane.cancelLeaving?.();
    lane.leaving.length = 0;
    lane.arrived.length = 0;
  }

  #forge(answer: Buffer, then: 'drop' | 'pass' | 'reset'): void {
    this.#options.client.write(answer);
    if (then === 'pass') return;
    for (const lane of this.#lanes) this.#silence(lane);
    if (then === 'reset') this.#end((conn) => (conn === this.#options.client ? conn.end() : conn.resetAndDestroy?.()));
  }

  /** Judges what has arrived, as far as it may pass now. */
  #pump(lane: Lane): void {
    while (!lane.isHeld && !lane.isSilent && !this.#isOver) {
      const bytes = lane.arrived.shift();
      if (bytes === undefined) return;
      if (bytes.length === 0) this.#leave(lane, null, this.#options.clock.monotonicMs());
      else this.#judgeChunk(lane, bytes);
    }
  }

  /** Judges a chunk segment by segment; neighbours that pass alike leave together. */
  #judgeChunk(lane: Lane, bytes: Buffer): void {
    let start = 0;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(at + SEGMENT_BYTES, bytes.length);
      const verdict = this.#judge('data', lane.from, bytes.subarray(at, end));
      const { outcome, delayMs } = verdict;
      const nowMs = this.#options.clock.monotonicMs();
      const isPlain = outcome.act === 'pass' && delayMs === 0;
      if (!isPlain && start < at) this.#leave(lane, bytes.subarray(start, at), nowMs);
      if (!this.#follow(verdict)) return;
      if (!isPlain) {
        start = end;
        if (end < bytes.length && outcome.act === 'police') lane.arrived.unshift(bytes.subarray(end));
        const lateMs = outcome.act === 'drop' ? RETRANSMIT_MS : delayMs;
        if (outcome.act !== 'police') this.#leave(lane, bytes.subarray(at, end), nowMs + lateMs);
        else {
          this.#hold(lane, outcome.waitMs, () =>
            this.#leave(lane, bytes.subarray(at, end), this.#options.clock.monotonicMs()),
          );
          return;
        }
      }
      at = end;
    }
    if (start < bytes.length) this.#leave(lane, bytes.subarray(start), this.#options.clock.monotonicMs());
  }

  /** Waits, does something, and goes on. */
  #hold(lane: Lane, waitMs: number, then: () => void): void {
    lane.isHeld = true;
    lane.source.pause();
    this.#options.clock.setTimer(waitMs, () => {
      if (lane.isSilent || this.#isOver) return;
      lane.isHeld = false;
      then();
      this.#resume(lane);
    });
  }

  #resume(lane: Lane): void {
    if (lane.isHeld || lane.isSilent || this.#isOver) return;
    lane.source.resume();
    this.#pump(lane);
  }

  /** Has bytes (or the end) leave at a time, behind all that left before. */
  #leave(lane: Lane, bytes: Buffer | null, dueMs: number): void {
    const lastMs = lane.leaving.at(-1)?.dueMs ?? 0;
    lane.leaving.push({ bytes, dueMs: Math.max(dueMs, lastMs) });
    lane.leavingBytes += bytes?.length ?? 0;
    this.#drain(lane);
    if (lane.leavingBytes <= MAX_DELAYED_BYTES || lane.isHeld) return;
    lane.isHeld = true;
    lane.source.pause();
  }

  #drain(lane: Lane): void {
    const { clock } = this.#options;
    for (;;) {
      const [first] = lane.leaving;
      if (first === undefined || lane.isSilent || this.#isOver) return;
      const waitMs = first.dueMs - clock.monotonicMs();
      if (waitMs > 0) {
        lane.cancelLeaving?.();
        lane.cancelLeaving = clock.setTimer(waitMs, () => {
          this.#drain(lane);
          if (lane.isHeld && lane.leavingBytes <= MAX_DELAYED_BYTES / 2) this.#release(lane);
        });
        return;
      }
      lane.leaving.shift();
      lane.leavingBytes -= first.bytes?.length ?? 0;
      this.#write(lane, first.bytes);
    }
  }

  #release(lane: Lane): void {
    lane.isHeld = false;
    this.#resume(lane);
  }

  #write(lane: Lane, bytes: Buffer | null): void {
    const { sink } = lane;
    if (sink.destroyed) return;
    if (bytes === null) sink.end();
    else if (!sink.write(bytes) && !lane.isHeld) {
      lane.isHeld = true;
      lane.source.pause();
      sink.once('drain', () => this.#release(lane));
    }
  }

  #onClose(lane: Lane): void {
    if (this.#isOver) return;
    const { source, sink } = lane;
    if (this.isSilent) {
      if (sink.destroyed) this.destroy();
      return;
    }
    if (sink.destroyed) this.destroy();
    else if (source.errored !== null || !source.readableEnded) {
      if (sink.resetAndDestroy === undefined) sink.destroy();
      else sink.resetAndDestroy();
    }
  }

  #end(how: (conn: Conn) => unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTick();
    for (const lane of this.#lanes) lane.cancelLeaving?.();
    this.#judgeClose();
    for (const conn of [this.#options.client, this.#options.server]) how(conn);
    this.#options.onOver();
  }

  #judgeClose(): void {
    const { tuple, clock, judge } = this.#options;
    judge({ kind: 'close', atMs: clock.monotonicMs(), tuple, from: 'client', payload: NOTHING });
  }
}
