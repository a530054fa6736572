import type { JudgedFlight, ReplayGuard, ReplayVerdictKind } from '../accept/acceptor.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';

/** Asks for the verdicts of flights, in their order; rejects when it gets none in time. */
export type AskVerdicts = (flights: readonly JudgedFlight[]) => Promise<readonly ReplayVerdictKind[]>;

interface Waiting {
  readonly flight: JudgedFlight;
  resolve(verdict: ReplayVerdictKind): void;
}

/**
 * The replay guard of a worker: the supervisor has the one memory. A flight goes out at once; those that come while some batches are on
 * their way go together in the next. Without an answer in time a flight is refused.
 */
export function createRemoteGuard(ask: AskVerdicts): ReplayGuard {
  let waiting: Waiting[] = [];
  let batches = 0;
  const flush = (): void => {
    if (waiting.length === 0 || batches >= WORKER_BOUNDS.flightBatches) return;
    const batch = waiting;
    waiting = [];
    batches += 1;
    const settle = (verdicts: readonly ReplayVerdictKind[]): void => {
      batches -= 1;
      for (const [index, { resolve }] of batch.entries()) resolve(verdicts[index] ?? 'full');
      flush();
    };
    ask(batch.map(({ flight }) => flight)).then(settle, () => settle([]));
  };
  return ({ channelId, replayId, stampMs, synced }) => {
    if (waiting.length >= WORKER_BOUNDS.waitingFlights) return Promise.resolve('full');
    const { promise, resolve } = Promise.withResolvers<ReplayVerdictKind>();
    waiting.push({ flight: { channelId, replayId, stampMs, synced }, resolve });
    flush();
    return promise;
  };
}
