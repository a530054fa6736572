import type { Env } from '../env.ts';
import type { Carrier } from './carrier.ts';

/** A canary is looked at so often. */
const LOOK_MS = 100;
/** After this silence it is asked for a sign of life, */
const QUIET_MS = 150;
/** and given up when there is none for so long, or for so many round trips: longer than a lost packet takes to be sent again. */
const PATIENCE_MS = 500;
const PATIENCE_ROUND_TRIPS = 4;

/** What a canary watch needs. */
export interface CanaryWatchOptions {
  /** From so many bytes on, both ways together, it may be frozen at any moment. */
  readonly fromBytes: number;
  /** Whether another carrier has received something since this moment of the monotonic clock. */
  readonly livesAnother: (sinceMs: number) => boolean;
  readonly ping: () => void;
  readonly giveUp: () => void;
}

/**
 * Watches a carrier that goes beyond a limit of bytes on purpose until it is lost. It carries what somebody waits for, and its death is no surprise: so it is
 * noticed far sooner than that of any other, as long as another carrier shows that the network lives.
 */
export function watchCanary(env: Env, carrier: Carrier, options: CanaryWatchOptions): void {
  const { fromBytes, livesAnother, ping, giveUp } = options;
  let askedMs: number | null = null;
  const look = () => {
    if (carrier.lost) return;
    const nowMs = env.clock.monotonicMs();
    const { lastReceivedMs, bytesSent, bytesReceived } = carrier;
    if (askedMs !== null && (lastReceivedMs > askedMs || !carrier.ledger.outstanding)) askedMs = null;
    const isDue = bytesSent + bytesReceived >= fromBytes && nowMs - lastReceivedMs >= QUIET_MS;
    if (isDue && askedMs === null && !carrier.retired) {
      ping();
      askedMs = nowMs;
    }
    const patienceMs = Math.max(PATIENCE_MS, PATIENCE_ROUND_TRIPS * carrier.ledger.smoothedRttMs);
    const sinceMs = carrier.retired ? nowMs - carrier.silentMs(nowMs) : (askedMs ?? nowMs);
    if (isDue && nowMs - sinceMs >= patienceMs && livesAnother(sinceMs)) giveUp();
    else env.clock.setTimer(LOOK_MS, look);
  };
  env.clock.setTimer(LOOK_MS, look);
}
