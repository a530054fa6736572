import { BoundedMap } from '../limits/bounded-map.ts';
import { DATAGRAM_BOUNDS } from '../limits/constants.ts';
import type { SessionPermit } from '../limits/source-limits.ts';
import type { DatagramNat } from './nat.ts';
import { NatFlow } from './nat-flow.ts';

/** What the flows of a session need. */
export interface SessionFlowsOptions {
  readonly permit: Pick<SessionPermit, 'openFlow' | 'mayReachOut'>;
  /** Sends the client a datagram of a flow, with the encoded address from which it came. */
  readonly send: (flowId: number, from: Buffer, bytes: Buffer) => void;
}

/** The flows of one session: made by their first datagram, closed by the client or when they are idle. */
export class SessionFlows {
  readonly #nat: DatagramNat;
  readonly #options: SessionFlowsOptions;
  readonly #flows = new Map<number, NatFlow>();
  /** Flows closed lately, of which a datagram may still be on its way. */
  readonly #closed = new BoundedMap<number, true>(DATAGRAM_BOUNDS.closedFlows);

  constructor(nat: DatagramNat, options: SessionFlowsOptions) {
    this.#nat = nat;
    this.#options = options;
  }

  get size(): number {
    return this.#flows.size;
  }

  onDatagram(flowId: number, target: Buffer, bytes: Buffer): void {
    const flow = this.#flows.get(flowId) ?? this.#open(flowId);
    if (flow === null) this.#nat.tally.dropped('busy');
    else flow.send(target, bytes);
  }

  onFlowClosed(flowId: number): void {
    this.#closed.set(flowId, true);
    this.#flows.get(flowId)?.close();
  }

  closeAll(): void {
    for (const flow of [...this.#flows.values()]) flow.close();
  }

  #open(flowId: number): NatFlow | null {
    if (this.#closed.get(flowId) === true) return null;
    const release = this.#options.permit.openFlow();
    if (release === null) return null;
    const flow = new NatFlow(this.#nat, {
      mayReachOut: () => this.#options.permit.mayReachOut(),
      deliver: (from, bytes) => this.#options.send(flowId, from, bytes),
      onClosed: () => {
        this.#flows.delete(flowId);
        release();
      },
    });
    this.#flows.set(flowId, flow);
    return flow;
  }
}
