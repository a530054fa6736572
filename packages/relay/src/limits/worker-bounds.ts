import type { StrangerBounds } from '../strangers/stranger-hall.ts';
import { DETACHED_BOUNDS, FORWARD_BOUNDS, SOURCE_BOUNDS, STRANGER_BOUNDS } from './constants.ts';
import type { ForwardBounds } from './forward-limits.ts';
import { type BudgetBounds, budgetBounds } from './memory-budget.ts';
import type { SourceBounds } from './source-limits.ts';

/** What one worker of a relay may use. */
export interface WorkerBounds {
  readonly budget: BudgetBounds;
  readonly sources: Partial<SourceBounds>;
  readonly strangers: Partial<StrangerBounds>;
  readonly forwards: ForwardBounds;
}

/** However many workers there are, one of them can serve the sessions of a household, and one session is never slowed by the division. */
const LEAST = { sessions: 64, streams: SOURCE_BOUNDS.streamsPerSession, dials: SOURCE_BOUNDS.dialsPerSession } as const;
const LEAST_DIAL_RATE = 100;
const LEAST_DIAL_BURST = 500;
const LEAST_STRANGERS = 64;
const LEAST_FORWARDS = 16;

/**
 * The caps of a relay divided among its workers. Connections are dealt out to them in turn, so each gets its share of every source and
 * channel, and asking a common account at every read of every stream would cost more than the reads. What is in `LEAST` is not
 * gone below, so many workers may together allow more than one would.
 */
export function workerBounds(workers: number, machineBytes: number): WorkerBounds {
  const share = (most: number, least = 1) => Math.max(Math.min(least, most), Math.ceil(most / workers));
  const bounds = SOURCE_BOUNDS;
  return {
    budget: {
      ...budgetBounds(machineBytes / workers),
      perChannel: share(DETACHED_BOUNDS.perChannel, LEAST.sessions),
      perPrefix: share(DETACHED_BOUNDS.perPrefix, LEAST.sessions),
    },
    sources: {
      sessions: share(bounds.sessions, LEAST.sessions),
      sessionsPerChannel: share(bounds.sessionsPerChannel, LEAST.sessions),
      sessionsPerPrefix: share(bounds.sessionsPerPrefix, LEAST.sessions),
      streamsPerPrefix: share(bounds.streamsPerPrefix, LEAST.streams),
      dialsPerPrefix: share(bounds.dialsPerPrefix, LEAST.dials),
      dialRatePerSecond: share(bounds.dialRatePerSecond, LEAST_DIAL_RATE),
      dialBurst: share(bounds.dialBurst, LEAST_DIAL_BURST),
      flowsPerPrefix: share(bounds.flowsPerPrefix, bounds.flowsPerSession),
      flowsPerChannel: share(bounds.flowsPerChannel, bounds.flowsPerSession),
      remoteRatePerPrefix: share(bounds.remoteRatePerPrefix, bounds.remoteRatePerSession),
      remoteBurstPerPrefix: share(bounds.remoteBurstPerPrefix, bounds.remoteBurstPerSession),
      idlePrefixes: share(bounds.idlePrefixes),
    },
    strangers: {
      total: share(STRANGER_BOUNDS.total, LEAST_STRANGERS),
      perPrefix: share(STRANGER_BOUNDS.perPrefix, LEAST_STRANGERS),
      perPrefixAtAnyAge: share(STRANGER_BOUNDS.perPrefixAtAnyAge, LEAST_STRANGERS),
    },
    forwards: {
      carriers: share(FORWARD_BOUNDS.carriers, LEAST_FORWARDS),
      carriersPerSibling: share(FORWARD_BOUNDS.carriersPerSibling, LEAST_FORWARDS),
      carriersPerSource: share(FORWARD_BOUNDS.carriersPerSource, LEAST_FORWARDS),
      pending: share(FORWARD_BOUNDS.pending, LEAST_FORWARDS),
      pendingPerSource: share(FORWARD_BOUNDS.pendingPerSource, LEAST_FORWARDS),
      arrivalsPerSibling: share(FORWARD_BOUNDS.arrivalsPerSibling, LEAST_FORWARDS),
    },
  };
}
