import type { Duplex } from 'node:stream';
import type { ResetCode, Target } from '@rozan/protocol';

/**
 * One proxied connection inside a session: a `Duplex` with half-close that outlives the carriers under it.
 * When the peer resets it, it is destroyed with a `StreamResetError`; `end` is only ever emitted for a clean end.
 */
export interface TunnelStream extends Duplex {
  /**
   * At the client: resolves when the relay has connected to the target, rejects with the error that the stream is destroyed with.
   * At the relay: resolved from the start. Never causes an unhandled rejection when nobody looks.
   */
  readonly opened: Promise<void>;
  /** Ends both directions at once and tells the peer why. Destroys the stream. */
  reset(code: ResetCode): void;
}

/** An association of an application with any number of remote addresses, by datagrams that may be lost. */
export interface DatagramFlow {
  /** Sends a datagram, or drops it: without word, as UDP does. The bytes must not be changed afterwards. */
  send(target: Target, bytes: Buffer): void;
  close(): void;
}

/** Takes a datagram and where it came from: an IP literal and a port. The bytes are only lent for the duration of the call. */
export type FlowListener = (from: Target, bytes: Buffer) => void;

/** What the local proxies need of the rest of the client. */
export interface StreamOpener {
  /**
   * Opens a stream. With a live session it resolves at once, before the relay has connected. Without one it waits for a session.
   * Rejects with a `StreamResetError` when that takes too long (`session-lost`), or when the same target has just failed (the code it failed with).
   */
  open(target: Target, options?: { readonly signal?: AbortSignal }): Promise<TunnelStream>;
  /** Opens a flow. It lasts until it is closed: when its session ends, it goes on in the next one. */
  openFlow(onDatagram: FlowListener): DatagramFlow;
  /** Whether a session is live, so that `open` would resolve at once. */
  isLive(): boolean;
}
