import type { Target } from '@rozan/protocol';
import type { CancelTimer, DatagramSocket, Env, OnDatagram } from '@rozan/tunnel';
import type { Egress } from '../egress/dial.ts';
import { EgressError } from '../egress/egress-error.ts';
import { DATAGRAM_BOUNDS } from '../limits/constants.ts';
import type { DatagramCounters } from './tally.ts';
import { DatagramTally } from './tally.ts';

/** What of the environment the NAT needs. */
export type NatEnv = Pick<Env, 'clock'> & { readonly network: Pick<Env['network'], 'bindDatagrams'> };

/** What `DatagramNat` goes by. */
export interface NatOptions {
  readonly egress: Pick<Egress, 'locate'>;
  readonly counters: DatagramCounters;
}

/** What the NAT looks after. */
export interface Idler {
  /** Looks whether it has been idle for too long, and if so closes itself. */
  expire(nowMs: number): void;
}

const ANY_ADDRESS = { 4: '0.0.0.0', 6: '::' } as const;

/** What all flows of a relay share: the way to an allowed address, the sockets, the sums, and a timer while there are flows. */
export class DatagramNat {
  readonly clock: NatEnv['clock'];
  readonly tally: DatagramTally;
  readonly #env: NatEnv;
  readonly #options: NatOptions;
  readonly #flows = new Set<Idler>();
  #sockets = 0;
  #cancelSweep: CancelTimer | null = null;

  constructor(env: NatEnv, options: NatOptions) {
    this.clock = env.clock;
    this.#env = env;
    this.#options = options;
    this.tally = new DatagramTally(options.counters);
  }

  /** Flows of all sessions. */
  get flowCount(): number {
    return this.#flows.size;
  }

  /** UDP sockets that are open. */
  get socketCount(): number {
    return this.#sockets;
  }

  add(flow: Idler): void {
    this.#flows.add(flow);
    this.tally.flowOpened();
    this.#sweepLater();
  }

  remove(flow: Idler): void {
    this.#flows.delete(flow);
    this.tally.flowClosed();
    if (this.#flows.size === 0) this.tally.flush();
  }

  /** The address that a datagram for `target` goes to, as the guard allows it; see `Egress`. */
  locate(target: Target): Promise<string> {
    return this.#options.egress.locate(target);
  }

  /** Opens a socket at a port of its own. Rejects with an `EgressError` (`busy`) when there are too many, or with a `TunnelError`. */
  async bind(version: 4 | 6, onDatagram: OnDatagram): Promise<DatagramSocket> {
    if (this.#sockets >= DATAGRAM_BOUNDS.sockets) throw new EgressError('busy');
    this.#sockets += 1;
    try {
      const socket = await this.#env.network.bindDatagrams({ host: ANY_ADDRESS[version], port: 0 }, onDatagram);
      return { ...socket, close: this.#once(() => socket.close()) };
    } catch (error) {
      this.#sockets -= 1;
      throw error;
    }
  }

  /** Closes a socket once, and counts it out. */
  #once(close: () => void): () => void {
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#sockets -= 1;
      close();
    };
  }

  #sweepLater(): void {
    this.#cancelSweep ??= this.#env.clock.setTimer(DATAGRAM_BOUNDS.sweepMs, () => {
      this.#cancelSweep = null;
      const nowMs = this.#env.clock.monotonicMs();
      for (const flow of this.#flows) flow.expire(nowMs);
      this.tally.flush();
      if (this.#flows.size > 0) this.#sweepLater();
    });
  }
}
