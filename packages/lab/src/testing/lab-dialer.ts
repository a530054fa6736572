import type { ClientAttach, ServerEntry } from '@rozan/protocol';
import { parseHostPort } from '@rozan/protocol';
import {
  type AttachedCarrier,
  attachOver,
  attachThrough,
  type Conn,
  type Env,
  findTransport,
  RelayClock,
  type RelayIdentity,
} from '@rozan/tunnel';

/** Makes carriers to a relay by the first way of its entry, one try each. What many sessions of one client share. */
export class LabDialer {
  readonly relayClock: RelayClock;
  readonly #env: Env;
  readonly #entry: ServerEntry;

  constructor(env: Env, entry: ServerEntry) {
    this.#env = env;
    this.#entry = entry;
    this.relayClock = new RelayClock(env.clock);
  }

  /** Connects, without a byte sent. */
  async connect(signal: AbortSignal): Promise<Conn> {
    const [way] = this.#entry.transports;
    const transport = findTransport(way?.transport ?? '');
    const address = parseHostPort(way?.addresses[0] ?? '');
    if (way === undefined || transport === null) throw new Error('an entry of the lab names a transport of ours');
    return await transport.dial(this.#env, { address, params: transport.parseParams(way.params), signal });
  }

  /** Shakes hands over a connection, as every client does. */
  attachOver(conn: Conn, attach: ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const { key, secret, transports } = this.#entry;
    return attachOver(this.#env, conn, {
      relay: { publicKey: key, accessSecret: secret },
      attach,
      relayClock: this.relayClock,
      transport: transports[0]?.transport ?? '',
      signal,
    });
  }

  /** Shakes hands with the home of a session over a connection to this relay, which is to forward. */
  attachThrough(
    conn: Conn,
    home: LabDialer,
    options: { attach: ClientAttach; signal: AbortSignal },
  ): Promise<AttachedCarrier> {
    return attachThrough(this.#env, conn, {
      ...options,
      relay: home.identity,
      relayClock: home.relayClock,
      transport: this.#entry.transports[0]?.transport ?? '',
      forwarder: { relay: this.identity, relayClock: this.relayClock, tag: this.#entry.tag },
    });
  }

  get identity(): RelayIdentity {
    return { publicKey: this.#entry.key, accessSecret: this.#entry.secret };
  }

  async dial(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    return this.attachOver(await this.connect(signal), nextAttach(), signal);
  }
}
