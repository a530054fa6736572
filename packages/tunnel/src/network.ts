import type { Duplex } from 'node:stream';

/** A place to connect to or to listen at. `host` is a literal IPv4 or IPv6 address without brackets: names are resolved before. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** What a connection can do beyond `Duplex`. All of it is optional, so that any `Duplex` is a `Conn`. */
export interface ConnExtras {
  /** Ends the connection so that the peer sees an error and not an end (TCP: RST). Falls back to `destroy()` where missing. */
  resetAndDestroy?(): unknown;
  /** The peer's address; for limits and country look-ups in memory only, never to be logged. */
  readonly remoteAddress?: string | undefined;
}

/** A reliable byte stream in both directions with half-close. At every seam it is Node's `Duplex`, opened with `allowHalfOpen`. */
export type Conn = Duplex & ConnExtras;

/** A place where connections arrive. */
export interface Listener {
  /** Where it listens, with the port that was picked if 0 was asked for. */
  readonly address: SocketAddress;
  /** Stops listening; connections already accepted stay. */
  close(): Promise<void>;
}

/** How `dial` is bounded. */
export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
}

/** The only door to sockets: real, in memory, or censored (the lab). */
export interface Network {
  /** Connects. Rejects with a `TunnelError` (`refused`, `unreachable`, `timed-out`, `failed`) or with the signal's reason. */
  dial(address: SocketAddress, options?: DialOptions): Promise<Conn>;
  /** Listens; `onConn` gets each accepted connection, which it then owns (it must attach an error listener at once). */
  listen(address: SocketAddress, onConn: (conn: Conn) => void): Promise<Listener>;
}
