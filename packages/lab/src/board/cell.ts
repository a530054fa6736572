import type { CellCensor } from './cell-censor.ts';
import { type Reached, type SessionWorld, type Survival, tryToReach, tryToSurvive } from './session.ts';
import { quantile, type Tally } from './statistics.ts';
import type { Subject } from './subject.ts';

/** What is done in one cell. */
export interface CellPlan {
  /** Fresh sessions. */
  readonly sessions: number;
  /** When none of the first so many gets through, the others are not tried. */
  readonly giveUpAfter: number;
  /** One request for the small page may take so long; it has to have come in twice that from the start of the client. */
  readonly attemptMs: number;
  /** The long download, or null for none: so many bytes, which the site sends at so many a second (0: as fast as they are taken). */
  readonly survival: { readonly bytes: number; readonly rate: number; readonly capMs: number } | null;
  /** What the censor lets one user have, in bytes a second; null where it does not limit that. */
  readonly allowedRate: number | null;
  /** Whether the censor sends probes: then one user comes before all others, and they when the censor has made up its mind. */
  readonly isProbing: boolean;
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
    /** How far it came; null if it is whole. */
    readonly why: string | null;
  } | null;
  /** How far those came that did not get through, each with how many they are. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the rate that the censor allows. */
  readonly goodputShare: number | null;
  readonly reconnectsPerHour: number | null;
  /** The censor's own count over the cell. */
  readonly censor: { readonly connections: number; readonly acted: number };
  /** Batteries of probes that servers got, and after how many the server was taken for a proxy; null where nobody probes. */
  readonly probes: { readonly batteries: number; readonly proxies: number } | null;
}

const HOUR_MS = 3_600_000;

/** The address at which a censor sees the n-th user of a cell. */
export function userHost(index: number): string {
  return `198.18.${Math.floor(index / 250)}.${1 + (index % 250)}`;
}

function summariseSurvival(survival: Survival | null): CellResult['survival'] {
  if (survival === null) return null;
  const { wantedBytes, bytes, isWhole, ms, longestStallMs, connections, why } = survival;
  const [seconds, longestStallSeconds] = [ms / 1000, longestStallMs / 1000];
  return { wantedBytes, bytes, isWhole, seconds, longestStallSeconds, connections, why };
}

interface Cell {
  readonly subject: Subject;
  readonly policy: string;
  readonly censor: CellCensor;
  readonly plan: CellPlan;
}

/** Has all users of a cell try, or a few of them where it is in vain. */
async function reachAll(world: SessionWorld, { subject, censor, plan }: Cell): Promise<Reached[]> {
  const { sessions, giveUpAfter, attemptMs } = plan;
  const attempt = (_: unknown, index: number) =>
    tryToReach(world, { subject, censor, userHost: userHost(index), attemptMs });
  const users = Array.from({ length: sessions });
  const first = await Promise.all(users.slice(0, giveUpAfter).map(attempt));
  if (first.every(({ isReached }) => !isReached)) return first;
  const rest = users.slice(giveUpAfter).map((user, index) => attempt(user, giveUpAfter + index));
  return [...first, ...(await Promise.all(rest))];
}

function countFailures(reached: readonly Reached[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { why } of reached) if (why !== null) counts[why] = (counts[why] ?? 0) + 1;
  return counts;
}

/** Runs one cell: all its sessions, and the long download after them, if any got through. */
export async function runCell(world: SessionWorld, cell: Cell): Promise<CellResult> {
  const { subject, policy, censor, plan } = cell;
  const { sessions, survival: wanted, allowedRate, attemptMs, isProbing } = plan;
  if (isProbing) {
    await tryToReach(world, { subject, censor, userHost: userHost(sessions + 1), attemptMs });
    await censor.probesOver();
  }
  const reached = await reachAll(world, cell);
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
    reached: { k: times.length, n: reached.length },
    bootstrapMs: { p50: quantile(times, 0.5), p95: quantile(times, 0.95) },
    survival: summariseSurvival(survival),
    failures: countFailures(reached),
    goodputShare: survival === null || allowedRate === null ? null : goodput / allowedRate,
    reconnectsPerHour: survival === null ? null : (Math.max(0, survival.connections - 1) * HOUR_MS) / survival.ms,
    censor: censor.counts(),
    probes: isProbing ? censor.prober : null,
  };
}
