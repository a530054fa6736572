import {
  type AttachAttempt,
  type AttachStatus,
  drawPaddingBytes,
  MAX_FLIGHT_PADDING_BYTES,
  type RelayHandshakeDone,
} from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';

/** What a relay says in every reply. */
export interface ReplyOptions {
  readonly retentionMs: number;
  /** The largest padding; that of every flight unless said. */
  readonly maxPaddingBytes?: number | undefined;
}

/** Makes the relay's flight that answers an attach request. */
export function sealReply(
  { random, clock }: Env,
  attempt: AttachAttempt,
  { status, retentionMs, maxPaddingBytes = MAX_FLIGHT_PADDING_BYTES }: ReplyOptions & { readonly status: AttachStatus },
): RelayHandshakeDone {
  return attempt.accept({
    reply: { status, relayTimeMs: Math.floor(clock.wallMs()), retentionMs },
    paddingBytes: drawPaddingBytes({ fraction: random.fraction(), minBytes: 0, maxBytes: maxPaddingBytes }),
    random: (count) => random.bytes(count),
  });
}
