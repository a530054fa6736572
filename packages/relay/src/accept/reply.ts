import {
  type AttachAttempt,
  type AttachStatus,
  drawPaddingBytes,
  type PaddingRange,
  type RelayHandshakeDone,
} from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';

/** What a relay says in a reply. */
export interface ReplyOptions {
  readonly status: AttachStatus;
  readonly retentionMs: number;
  /** That of the channel unless said. */
  readonly padding?: PaddingRange | undefined;
}

/** Makes the relay's flight that answers an attach request. */
export function sealReply({ random, clock }: Env, attempt: AttachAttempt, options: ReplyOptions): RelayHandshakeDone {
  const { status, retentionMs, padding = attempt.padding } = options;
  return attempt.accept({
    reply: { status, relayTimeMs: Math.floor(clock.wallMs()), retentionMs },
    paddingBytes: drawPaddingBytes({ fraction: random.fraction(), ...padding }),
    random: (count) => random.bytes(count),
  });
}
