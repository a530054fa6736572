import { type ControlFrame, type DatagramFrame, ProtocolError } from '@rozan/protocol';
import type { CancelTimer, Clock } from '../env.ts';
import { DATAGRAM_BATCH_MS, DATAGRAM_QUEUE } from '../limits.ts';
import { type DatagramDrops, DatagramQueue } from './datagram-queue.ts';

/** What a session tells its owner of datagram flows; at the relay only. */
export interface DatagramEvents {
  /** A datagram of a flow, which may be new, to the encoded target. `bytes` may be kept for a moment, not for long. */
  onDatagram?(flowId: number, target: Buffer, bytes: Buffer): void;
  /** The client has closed the flow. Datagrams of it may still come. */
  onFlowClosed?(flowId: number): void;
}

/** What the datagrams need of their session. */
export interface DatagramsOptions {
  readonly role: 'client' | 'relay';
  readonly events: DatagramEvents;
  readonly clock: Clock;
  readonly datagramDrops?: DatagramDrops;
  /** There is something to send. */
  readonly schedule: () => void;
  readonly sendControl: (frame: ControlFrame) => void;
  /** Whether the session may hold more bytes. */
  readonly mayHoldMore: () => boolean;
}

/** A flow at the client's end of a session. */
export interface SessionFlow {
  /** Sends a datagram to the encoded target, or drops it. */
  send(target: Buffer, bytes: Buffer): void;
  close(): void;
}

/** Takes a datagram and the encoded address from which it came. */
export type DatagramListener = (from: Buffer, bytes: Buffer) => void;

/**
 * The datagram flows of a session. Datagrams go over whatever carrier has room, are never sent again, and need no OPEN: the first one of
 * a flow makes it at the relay.
 */
export class Datagrams {
  readonly queue: DatagramQueue;
  readonly #options: DatagramsOptions;
  /** The client's flows. */
  readonly #flows = new Map<number, DatagramListener>();
  #nextFlowId = 1;
  #cancelExpiry: CancelTimer | null = null;
  #cancelBatch: CancelTimer | null = null;
  #sentMs = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(options: DatagramsOptions) {
    this.#options = options;
    this.queue = new DatagramQueue(() => options.clock.monotonicMs(), options.datagramDrops);
  }

  /** Flows that the client has open. */
  get flowCount(): number {
    return this.#flows.size;
  }

  /** Datagrams that were not sent. */
  get drops(): DatagramDrops {
    return this.queue.drops;
  }

  /** Opens a flow (client). In a session that is over it leads nowhere. */
  openFlow(onDatagram: DatagramListener): SessionFlow {
    const flowId = this.#nextFlowId;
    this.#nextFlowId += 1;
    if (!this.#isOver) this.#flows.set(flowId, onDatagram);
    return {
      send: (target, bytes) => {
        if (this.#flows.has(flowId)) this.send(flowId, target, bytes);
      },
      close: () => {
        if (!this.#flows.delete(flowId)) return;
        this.queue.forget(flowId);
        this.#options.sendControl({ type: 'close-flow', flowId });
      },
    };
  }

  /** Sends a datagram; without room or carrier it is dropped, now or in a moment. */
  send(flowId: number, target: Buffer, bytes: Buffer): void {
    if (this.#isOver) return;
    if (!this.#options.mayHoldMore()) {
      this.queue.drops.full += 1;
      return;
    }
    if (!this.queue.push({ flowId, target, bytes })) return;
    this.#cancelExpiry ??= this.#options.clock.setTimer(DATAGRAM_QUEUE.ageMs, () => this.#expire());
    this.#scheduleSoon();
  }

  /** The first datagram goes at once; those that follow within a moment go together, since a record costs more than its bytes. */
  #scheduleSoon(): void {
    if (this.#cancelBatch !== null) return;
    const { clock } = this.#options;
    if (clock.monotonicMs() - this.#sentMs >= DATAGRAM_BATCH_MS) this.#schedule();
    else this.#cancelBatch = clock.setTimer(DATAGRAM_BATCH_MS, () => this.#schedule());
  }

  #schedule(): void {
    this.#cancelBatch = null;
    this.#sentMs = this.#options.clock.monotonicMs();
    this.#options.schedule();
  }

  /** Throws a `violation` where the peer may not send such a frame. */
  receive(frame: DatagramFrame): void {
    const { flowId, target, bytes } = frame;
    if (this.#options.role === 'relay') {
      this.#options.events.onDatagram?.(flowId, target, bytes);
      return;
    }
    if (flowId >= this.#nextFlowId) throw new ProtocolError('violation', 'a flow that was never opened');
    this.#flows.get(flowId)?.(target, bytes);
  }

  /** Throws a `violation` where the peer may not send such a frame. */
  onCloseFlow(flowId: number): void {
    if (this.#options.role === 'client') throw new ProtocolError('violation', 'a relay closes no flows');
    this.queue.forget(flowId);
    this.#options.events.onFlowClosed?.(flowId);
  }

  /** The session is over. */
  end(): void {
    this.#isOver = true;
    this.#cancelExpiry?.();
    this.#cancelBatch?.();
    this.#flows.clear();
    this.queue.clear();
  }

  /** While nothing is sent, nothing else would look. */
  #expire(): void {
    this.#cancelExpiry = null;
    this.queue.expire();
    if (!this.queue.isEmpty) {
      this.#cancelExpiry = this.#options.clock.setTimer(DATAGRAM_QUEUE.ageMs, () => this.#expire());
    }
    this.#options.schedule();
  }
}
