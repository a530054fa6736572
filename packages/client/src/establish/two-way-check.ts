import { type ClientSession, type Env, sleep, TunnelError } from '@rozan/tunnel';

/** The pauses between looks, as a share of the round trip and in milliseconds. */
const LOOK_SHARE = 1 / 32;
const LEAST_LOOK_MS = 1;
const MOST_LOOK_MS = 20;

/**
 * Resolves once a record has come on the first carrier of a new session: something that was sealed here has been opened there and answered.
 * A censor that lets handshakes through and nothing else, or a recording, does not get that far. Rejects with a `TunnelError` or the
 * signal's reason.
 */
export async function checkBothWays(
  env: Env,
  client: ClientSession,
  options: { readonly timeoutMs: number; readonly roundTripMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { session } = client;
  const [carrier] = session.carriers;
  if (carrier === undefined) throw new TunnelError('failed', 'the connection ended before anything could be said');
  // The session's own PING and this one are two records, which the relay acknowledges without waiting for more.
  session.ping(carrier);
  const lookMs = Math.min(MOST_LOOK_MS, Math.max(LEAST_LOOK_MS, options.roundTripMs * LOOK_SHARE));
  const endMs = env.clock.monotonicMs() + options.timeoutMs;
  while (carrier.receivedRecords === 0) {
    if (session.closed) throw new TunnelError('session-closed', 'the relay has ended the session at once');
    if (carrier.lost) throw new TunnelError('failed', 'the connection ended before anything came back');
    if (env.clock.monotonicMs() >= endMs) throw new TunnelError('timed-out', 'nothing came back on the connection');
    await sleep(env, lookMs, options.signal);
  }
}
