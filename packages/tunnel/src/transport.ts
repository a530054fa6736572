import type { Env } from './env.ts';
import type { Conn, DialOptions, Listener, SocketAddress } from './network.ts';

/** What the rest of the system may ask about a transport, instead of its name. */
export interface TransportTraits {
  /** What a censor sees: nothing recognisable, or an imitated protocol. */
  readonly looksLike: 'nothing' | 'web' | 'other';
  /** Whether a stranger on this port must be met with silence (true) or is answered by the transport itself (false). */
  readonly silentToStrangers: boolean;
}

/** One named way to dress a carrier. `Params` is what a client must know, as it stands in the server entry. */
export interface Transport<Params = unknown> {
  readonly name: string;
  readonly traits: TransportTraits;
  /** Checks params that came from outside before any packet is sent. Throws a `TunnelError` (`bad-params`). */
  parseParams(input: unknown): Params;
  /** Connects to one relay address and resolves once bytes can be exchanged. */
  dial(env: Env, options: TransportDialOptions<Params>): Promise<Conn>;
  /** Listens; every accepted and undressed connection goes to `onConn`. */
  listen(env: Env, options: TransportListenOptions): Promise<TransportListener<Params>>;
}

/** What `dial` needs. */
export interface TransportDialOptions<Params> extends DialOptions {
  readonly address: SocketAddress;
  readonly params: Params;
}

/** What `listen` needs. */
export interface TransportListenOptions {
  readonly address: SocketAddress;
  readonly onConn: (conn: Conn) => void;
}

/** A listener that also says what a client needs to know to dial it; that goes into the server entry. */
export interface TransportListener<Params = unknown> extends Listener {
  readonly params: Params;
}
