import type { CellCensor } from './cell-censor.ts';
import { type SessionWorld, type Survival, tryToReach, tryToSurvive } from './session.ts';
import { quantile, type Tally } from './statistics.ts';
import type { Subject } from './subject.ts';

/** What is done in one cell. */
export interface CellPlan {
  /** Fresh sessions. */
  readonly sessions: number;
  /** In so long the small page has to have come. */
  readonly capMs: number;
  /** The long download, or null for none: so many bytes, which the site sends at so many a second (0: as fast as they are taken). */
  readonly survival: { readonly bytes: number; readonly rate: number; readonly capMs: number } | null;
  /** What the censor lets one user have, in bytes a second; null where it does not limit that. */
  readonly allowedRate: number | null;
}

/** What one subject came to under one policy. */
export interface CellResult {
  readonly subject: string;
  readonly policy: string;
  readonly reached: Tally;
  readonly bootstrapMs: { readonly p50: number | null; readonly p95: number | null };
  readonly survival: {
    readonly wantedBytes: number;
    readonly bytes: number;
    readonly isWhole: boolean;
    readonly seconds: number;
    readonly longestStallSeconds: number;
    readonly connections: number;
  } | null;
  /** Of the rate that the censor allows. */
  readonly goodputShare: number | null;
  readonly reconnectsPerHour: number | null;
  /** The censor's own count over the cell. */
  readonly censor: { readonly connections: number; readonly acted: number };
}

const HOUR_MS = 3_600_000;

/** The address at which a censor sees the n-th user of a cell. */
export function userHost(index: number): string {
  return `198.18.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

function summariseSurvival(survival: Survival | null): CellResult['survival'] {
  if (survival === null) return null;
  const { wantedBytes, bytes, isWhole, ms, longestStallMs, connections } = survival;
  const [seconds, longestStallSeconds] = [ms / 1000, longestStallMs / 1000];
  return { wantedBytes, bytes, isWhole, seconds, longestStallSeconds, connections };
}

/** Runs one cell: all its sessions, and the long download after them, if any got through. */
export async function runCell(
  world: SessionWorld,
  { subject, policy, censor, plan }: { subject: Subject; policy: string; censor: CellCensor; plan: CellPlan },
): Promise<CellResult> {
  const { sessions, capMs, survival: wanted, allowedRate } = plan;
  const attempts = Array.from({ length: sessions }, (_, index) =>
    tryToReach(world, { subject, censor, userHost: userHost(index), capMs }),
  );
  const reached = await Promise.all(attempts);
  const isHopeless = sessions > 0 && reached.every(({ isReached }) => !isReached);
  const survival =
    wanted === null || isHopeless
      ? null
      : await tryToSurvive(world, { subject, censor, userHost: userHost(sessions), ...wanted });
  const times = reached.flatMap(({ bootstrapMs }) => (bootstrapMs === null ? [] : [bootstrapMs]));
  const goodput = survival === null ? 0 : survival.bytes / (survival.ms / 1000);
  return {
    subject: subject.name,
    policy,
    reached: { k: times.length, n: sessions },
    bootstrapMs: { p50: quantile(times, 0.5), p95: quantile(times, 0.95) },
    survival: summariseSurvival(survival),
    goodputShare: survival === null || allowedRate === null ? null : goodput / allowedRate,
    reconnectsPerHour: survival === null ? null : (Math.max(0, survival.connections - 1) * HOUR_MS) / survival.ms,
    censor: censor.counts(),
  };
}
