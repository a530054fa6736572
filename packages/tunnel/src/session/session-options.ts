import type { ResetCode } from '@rozan/protocol';
import type { Carrier, CarrierLossCause } from './carrier.ts';
import type { DatagramDrops } from './datagram-queue.ts';
import type { DatagramEvents } from './datagrams.ts';
import type { SessionStream } from './session-stream.ts';

/** What a session tells its owner. */
export interface SessionEvents extends DatagramEvents {
  /** A carrier is confirmed and may carry data. */
  onCarrierLive?(carrier: Carrier): void;
  onCarrierLost?(carrier: Carrier, cause: CarrierLossCause): void;
  /** Something arrived on the carrier. */
  onProgress?(carrier: Carrier): void;
  /** At the relay: a stream was opened to the encoded target. */
  onStream?(stream: SessionStream, target: Buffer): void;
  /** The session's `heldBytes` may have changed. */
  onHeldBytes?(bytes: number): void;
  /** At the client: the relay wants new streams to go elsewhere. */
  onDrain?(): void;
  /** The session is over and all its streams are reset; `by` says who ended it. */
  onClosed?(code: ResetCode, by: 'us' | 'peer'): void;
}

/** How a session is set up. */
export interface SessionOptions {
  readonly role: 'client' | 'relay';
  readonly events: SessionEvents;
  readonly maxStreams?: number;
  /** Where the datagrams that were not sent are counted; without it, in `datagrams.drops`. */
  readonly datagramDrops?: DatagramDrops;
  /** Whether the session may take more bytes from applications; when that turns to yes again, `wake` has to be called. */
  readonly mayHoldMore?: () => boolean;
}
