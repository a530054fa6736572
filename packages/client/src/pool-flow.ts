import { decodeTarget, encodeTarget, ProtocolError } from '@rozan/protocol';
import type { DatagramFlow, FlowListener, SessionFlow, Target } from '@rozan/tunnel';
import { FLOW_IDLE_MS, HOME_LOST_MS } from './limits.ts';
import type { RelaySession } from './relay-session.ts';

/** What a flow needs of its pool. */
export interface PoolFlowOptions {
  readonly nowMs: () => number;
  /** The session for something new; null while none is live. */
  readonly pick: () => RelaySession | null;
  readonly onDatagram: FlowListener;
  readonly onClose: (flow: PoolFlow) => void;
}

/** The part of a flow that lies in one session. */
interface Leg {
  readonly session: RelaySession;
  readonly flow: SessionFlow;
}

/**
 * A flow that outlives its session: while that answers, it stays there, so that its remote addresses see one sender; when it is over or lost,
 * the next datagram goes through another.
 */
export class PoolFlow implements DatagramFlow {
  readonly #options: PoolFlowOptions;
  #leg: Leg | null = null;
  #usedMs: number;
  #isClosed = false;
  #lastTarget: Target | null = null;
  #lastEncoded: Buffer = Buffer.alloc(0);
  #lastSource: Target | null = null;
  #lastSourceBytes: Buffer = Buffer.alloc(0);

  constructor(options: PoolFlowOptions) {
    this.#options = options;
    this.#usedMs = options.nowMs();
  }

  send(target: Target, bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#usedMs = this.#options.nowMs();
    const leg = this.#usableLeg();
    if (leg === null) return;
    if (target !== this.#lastTarget) {
      this.#lastEncoded = encodeTarget(target);
      this.#lastTarget = target;
    }
    leg.flow.send(this.#lastEncoded, bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#leave();
    this.#options.onClose(this);
  }

  /** Gives up its place in a session when nothing has passed for a while; by then the relay has forgotten it too. */
  rest(nowMs: number): void {
    if (nowMs - this.#usedMs >= FLOW_IDLE_MS) this.#leave();
  }

  #usableLeg(): Leg | null {
    const { client } = this.#leg?.session ?? {};
    if (client !== undefined && !client.session.closed && client.unansweredMs < HOME_LOST_MS) return this.#leg;
    const session = this.#options.pick();
    if (session === null || session === this.#leg?.session) return this.#leg;
    this.#leave();
    const flow = session.client.session.datagrams.openFlow((from, bytes) => this.#receive(from, bytes));
    this.#leg = { session, flow };
    return this.#leg;
  }

  #leave(): void {
    this.#leg?.flow.close();
    this.#leg = null;
  }

  #receive(from: Buffer, bytes: Buffer): void {
    const source = this.#sourceOf(from);
    if (source === null) return;
    this.#usedMs = this.#options.nowMs();
    this.#options.onDatagram(source, bytes);
  }

  #sourceOf(encoded: Buffer): Target | null {
    if (this.#lastSource !== null && this.#lastSourceBytes.equals(encoded)) return this.#lastSource;
    try {
      this.#lastSource = decodeTarget(encoded);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return null;
    }
    // The bytes lie in a record that the next datagram need not keep in memory.
    this.#lastSourceBytes = Buffer.from(encoded);
    return this.#lastSource;
  }
}
