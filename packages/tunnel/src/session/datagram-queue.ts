import { type DatagramFrame, MAX_DATAGRAM_BYTES, type RecordBuilder } from '@rozan/protocol';
import { DATAGRAM_QUEUE } from '../limits.ts';

type Datagram = Omit<DatagramFrame, 'type'>;

interface Waiting {
  readonly datagram: Datagram;
  readonly sinceMs: number;
}

interface FlowQueue {
  readonly waiting: Waiting[];
  bytes: number;
}

/** What became of datagrams that were not sent. */
export interface DatagramDrops {
  /** The queue had no room. */
  full: number;
  /** They had waited too long for a carrier. */
  stale: number;
}

/** What a datagram takes beside its bytes and target: in a record at most, and in memory about. */
const OVERHEAD_BYTES = 32;

/** The most that streams can owe to datagrams: one of the largest size has to get through on the slowest carrier. */
const MOST_CREDIT_BYTES = 2 * MAX_DATAGRAM_BYTES;

function sizeOf({ target, bytes }: Datagram): number {
  return target.length + bytes.length + OVERHEAD_BYTES;
}

/**
 * The datagrams of a session that wait for a carrier, a queue for each flow. Bounded in bytes and time: what does not fit or waits too
 * long is dropped, as UDP would.
 */
export class DatagramQueue {
  readonly drops: DatagramDrops;
  readonly #nowMs: () => number;
  /** Flows with datagrams, in the order of their turns. */
  readonly #flows = new Map<number, FlowQueue>();
  #bytes = 0;
  #creditBytes = 0;

  /** `drops`: where those are counted that were not sent. */
  constructor(nowMs: () => number, drops: DatagramDrops = { full: 0, stale: 0 }) {
    this.drops = drops;
    this.#nowMs = nowMs;
  }

  /** What waits, with what it takes beside its bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#flows.size === 0;
  }

  /** Adds a datagram; false if it was dropped. */
  push(datagram: Datagram): boolean {
    const size = sizeOf(datagram);
    let flow = this.#flows.get(datagram.flowId);
    const flowBytes = flow?.bytes ?? 0;
    if (this.#bytes + size > DATAGRAM_QUEUE.bytes || flowBytes + size > DATAGRAM_QUEUE.flowBytes) {
      this.drops.full += 1;
      return false;
    }
    if (flow === undefined) {
      flow = { waiting: [], bytes: 0 };
      this.#flows.set(datagram.flowId, flow);
    }
    flow.waiting.push({ datagram, sinceMs: this.#nowMs() });
    flow.bytes += size;
    this.#bytes += size;
    return true;
  }

  /**
   * Moves datagrams into a record that is to have about `roomBytes`. `shared`: streams want to send too, so that in the long run
   * half of the room is theirs. A datagram larger than the room goes into a record of its own, of at most `mostBytes`.
   */
  fill(
    builder: RecordBuilder,
    options: { readonly roomBytes: number; readonly mostBytes: number; readonly shared: boolean },
  ): boolean {
    const { roomBytes, mostBytes, shared } = options;
    if (this.isEmpty || !shared) this.#creditBytes = 0;
    else this.#creditBytes = Math.min(this.#creditBytes + roomBytes / 2, Math.max(MOST_CREDIT_BYTES, roomBytes));
    let isFilled = false;
    for (let next = this.#next(); next !== null; next = this.#next()) {
      const size = sizeOf(next);
      if (builder.bytes + size > (builder.bytes > 0 ? roomBytes : mostBytes)) break;
      if (shared && size > this.#creditBytes) break;
      if (shared) this.#creditBytes -= size;
      this.#take(next.flowId);
      builder.datagram(next);
      isFilled = true;
    }
    return isFilled;
  }

  /** Drops what waits of one flow. */
  forget(flowId: number): void {
    this.#bytes -= this.#flows.get(flowId)?.bytes ?? 0;
    this.#flows.delete(flowId);
  }

  /** Drops what has waited too long. */
  expire(): void {
    for (const [flowId, flow] of this.#flows) this.#expireFlow(flowId, flow);
  }

  clear(): void {
    this.#flows.clear();
    this.#bytes = 0;
  }

  /** The datagram whose turn it is. */
  #next(): Datagram | null {
    for (const [flowId, flow] of this.#flows) {
      this.#expireFlow(flowId, flow);
      const [first] = flow.waiting;
      if (first !== undefined) return first.datagram;
    }
    return null;
  }

  /** Takes out the first datagram of a flow, which then waits for its next turn. */
  #take(flowId: number): void {
    const flow = this.#flows.get(flowId);
    if (flow === undefined) return;
    this.#shift(flow);
    this.#flows.delete(flowId);
    if (flow.waiting.length > 0) this.#flows.set(flowId, flow);
  }

  #shift(flow: FlowQueue): void {
    const first = flow.waiting.shift();
    if (first === undefined) return;
    const size = sizeOf(first.datagram);
    flow.bytes -= size;
    this.#bytes -= size;
  }

  #expireFlow(flowId: number, flow: FlowQueue): void {
    const oldestMs = this.#nowMs() - DATAGRAM_QUEUE.ageMs;
    for (let [first] = flow.waiting; first !== undefined && first.sinceMs < oldestMs; [first] = flow.waiting) {
      this.#shift(flow);
      this.drops.stale += 1;
    }
    if (flow.waiting.length === 0) this.#flows.delete(flowId);
  }
}
