// Phases of a censor over one population of users: every client is a program of its own, and lives through all of them.
import type { Env } from '@rozan/tunnel';
import type { Middlebox } from '../censor/middlebox.ts';
import { userHost } from './cell.ts';
import { labCommit } from './commit.ts';
import { type LabPolicy, startCensor } from './lab-policies.ts';
import type { PhaseResult, ReplayResult } from './replay-result.ts';
import { ReplayUser, type UserTally } from './replay-user.ts';
import type { Phase, PhaseAims, ReplayScenario } from './scenario-file.ts';
import type { SessionWorld } from './session.ts';
import { addTallies, quantile } from './statistics.ts';
import type { Subject } from './subject.ts';

const SAMPLE_MS = 2_000;
/** A download that shall be a long one needs so long before its phase ends. */
const LONG_MS = 100_000;
/** Users are back when their pages take no longer than so many times those of the first phase. */
const BACK_FACTOR = 2;

/** What `runReplay` is told. */
export interface ReplayRun {
  readonly scenario: ReplayScenario;
  readonly name: string;
  /** Phases last so many times what the file says; nothing else changes. */
  readonly timeScale: number;
  readonly subject: Subject;
  readonly seed: number;
  readonly signal: AbortSignal;
  policy(id: string): LabPolicy;
  onPhase(result: PhaseResult): void;
  onProgress(text: string): void;
}

interface Series {
  readonly seconds: number[];
  readonly connectedShare: number[];
  readonly kilobitsPerUser: number[];
  readonly carriersPerUserMinute: number[];
}

interface Population {
  readonly env: Env;
  readonly users: readonly ReplayUser[];
  readonly censor: Middlebox;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Takes a sample now and then, until it is stopped. */
function startSampling(env: Env, users: readonly ReplayUser[], run: ReplayRun): { series: Series; stop: () => void } {
  const series: Series = { seconds: [], connectedShare: [], kilobitsPerUser: [], carriersPerUserMinute: [] };
  const startMs = env.clock.monotonicMs();
  let before = { bytes: 0, carriers: sum(users.map(({ carriers }) => carriers)), ms: startMs };
  const timer = setInterval(() => {
    const ms = env.clock.monotonicMs();
    const now = {
      bytes: sum(users.map((user) => user.receivedBytes)),
      carriers: sum(users.map((user) => user.carriers)),
      ms,
    };
    const seconds = (ms - before.ms) / 1000;
    const connected = users.filter((user) => user.isConnected).length;
    series.seconds.push(Math.round((ms - startMs) / 100) / 10);
    series.connectedShare.push(connected / users.length);
    series.kilobitsPerUser.push(Math.round(((now.bytes - before.bytes) * 8) / 1000 / users.length / seconds));
    const carriers = ((now.carriers - before.carriers) * 60) / seconds / users.length;
    series.carriersPerUserMinute.push(Math.round(carriers * 100) / 100);
    before = now;
    run.onProgress(`${Math.round((ms - startMs) / 1000)} s: ${connected} of ${users.length} connected`);
  }, SAMPLE_MS);
  return { series, stop: () => clearInterval(timer) };
}

function measure(
  tallies: readonly UserTally[],
  population: Population,
  phase: { policies: readonly LabPolicy[]; seconds: number; isPaced: boolean },
): PhaseResult['measures'] {
  const { users } = population;
  const pageSeconds = tallies.flatMap((tally) => tally.pageSeconds);
  const rates = phase.policies.flatMap(({ allowedRate }) => allowedRate ?? []);
  const downloading = tallies.filter(({ downloadSeconds }) => downloadSeconds > 0);
  const goodput =
    sum(downloading.map(({ downloadBytes }) => downloadBytes)) /
    sum(downloading.map(({ downloadSeconds }) => downloadSeconds));
  const carriersPerUser = sum(tallies.map(({ carriers }) => carriers)) / users.length;
  return {
    users: {
      k: tallies.filter(({ pagesCame, downloadBytes }) => pagesCame > 0 || downloadBytes > 0).length,
      n: users.length,
    },
    pages: addTallies(tallies.map(({ pages, pagesCame }) => ({ k: pagesCame, n: pages }))),
    longDownloads: addTallies(
      tallies.map(({ longDownloads, longDownloadsCame }) => ({ k: longDownloadsCame, n: longDownloads })),
    ),
    pageSecondsP50: quantile(pageSeconds, 0.5),
    pageSecondsP95: quantile(pageSeconds, 0.95),
    goodputShare: phase.isPaced || rates.length === 0 || downloading.length === 0 ? null : goodput / Math.min(...rates),
    longestStallSeconds:
      downloading.length === 0 ? null : Math.max(...downloading.map(({ longestStallSeconds }) => longestStallSeconds)),
    sessionsPerUser: sum(tallies.map(({ sessions }) => sessions)) / users.length,
    carriersPerUser,
    reconnectsPerUserHour: (carriersPerUser * 3600) / phase.seconds,
    connected: { k: users.filter((user) => user.isConnected).length, n: users.length },
    backSeconds: null,
  };
}

type Aim = PhaseResult['aims'][number];

function atLeast(text: string, value: number | null, least: number): Aim {
  return {
    text: `${text}: at least ${least}`,
    value: value === null ? '–' : value.toFixed(2),
    holds: value !== null && value >= least,
  };
}

function atMost(text: string, value: number | null, most: number): Aim {
  return {
    text: `${text}: at most ${most}`,
    value: value === null ? '–' : value.toFixed(1),
    holds: value !== null && value <= most,
  };
}

/** What was asked of a phase, and whether it holds. */
export function judgeAims(aims: PhaseAims, measures: PhaseResult['measures']): Aim[] {
  const share = ({ k, n }: { k: number; n: number }) => (n === 0 ? null : k / n);
  const { served, longDownloads, goodputShare, reconnectsPerUserHour, sessionsPerUser, backSeconds } = aims;
  return [
    ...(served === undefined ? [] : [atLeast('share of users that got something', share(measures.users), served)]),
    ...(longDownloads === undefined
      ? []
      : [atLeast('long downloads that came whole', share(measures.longDownloads), longDownloads)]),
    ...(goodputShare === undefined ? [] : [atLeast('goodput of what is allowed', measures.goodputShare, goodputShare)]),
    ...(reconnectsPerUserHour === undefined
      ? []
      : [atMost('carriers per user-hour', measures.reconnectsPerUserHour, reconnectsPerUserHour)]),
    ...(sessionsPerUser === undefined ? [] : [atMost('sessions per user', measures.sessionsPerUser, sessionsPerUser)]),
    ...(backSeconds === undefined
      ? []
      : [atMost('seconds until it is as fast as at first', measures.backSeconds, backSeconds)]),
  ];
}

async function runPhase(
  population: Population,
  run: ReplayRun,
  phase: Phase,
): Promise<{ result: PhaseResult; tallies: UserTally[] }> {
  const { env, users, censor } = population;
  const policies = phase.policies.map((id) => run.policy(id));
  censor.setPolicies(policies.flatMap((policy) => policy.policies));
  const seconds = Math.round(phase.seconds * run.timeScale);
  const end = AbortSignal.timeout(seconds * 1000);
  const signal = AbortSignal.any([run.signal, end]);
  const startMs = env.clock.monotonicMs();
  const isPaced = phase.downloadRate > 0;
  const habits = {
    pageEverySeconds: run.scenario.pageEverySeconds,
    downloadBytes: phase.downloadBytes,
    downloadRate: phase.downloadRate,
    startMs,
    lastStartMs: startMs + seconds * 1000 - (isPaced ? LONG_MS : 0),
    signal,
  };
  const downloaders = Math.round(users.length * run.scenario.downloaders);
  const tallies = await Promise.all(
    users.map((user, index) => user.live({ ...habits, isDownloader: index < downloaders })),
  );
  run.signal.throwIfAborted();
  const measures = measure(tallies, population, { policies, seconds, isPaced });
  const { id, name, when, history } = phase;
  return { result: { id, name, when, history, seconds, measures, aims: judgeAims(phase.aims, measures) }, tallies };
}

/** When in the last phase pages were as quick again as in the first: 9 in 10 of all that came later than that. Null if never. */
function secondsUntilBack(first: readonly UserTally[], last: readonly UserTally[]): number | null {
  const normal = quantile(
    first.flatMap(({ pageSeconds }) => pageSeconds),
    0.5,
  );
  if (normal === null) return null;
  const pages = last.flatMap(({ pageTimes }) => pageTimes).toSorted((a, b) => a.atSeconds - b.atSeconds);
  const isQuick = pages.map(({ tookSeconds }) => tookSeconds <= Math.max(1, normal * BACK_FACTOR));
  const from = pages.findIndex((_, index) => {
    const rest = isQuick.slice(index);
    return rest[0] === true && rest.filter((quick) => quick).length >= rest.length * 0.9;
  });
  return pages[from]?.atSeconds ?? null;
}

/** Runs all phases. */
export async function runReplay(env: Env, world: SessionWorld, run: ReplayRun): Promise<ReplayResult> {
  const { scenario, subject, signal } = run;
  await using stack = new AsyncDisposableStack();
  const [start] = scenario.phases;
  if (start === undefined) throw new Error('a replay has phases');
  const censor = stack.use(
    startCensor(
      env,
      start.policies.map((id) => run.policy(id)),
      run.seed,
    ),
  );
  const users: ReplayUser[] = [];
  const starting = Array.from({ length: scenario.users }, async (_, index) => {
    const leave = await world.starts.enter();
    try {
      signal.throwIfAborted();
      const client = stack.use(await subject.startClient(world.programs, censor.routeFor(userHost(index))));
      users.push(new ReplayUser(env, client));
      await client.ready(AbortSignal.any([signal, AbortSignal.timeout(30_000)])).catch(() => {});
      run.onProgress(`${users.length} of ${scenario.users} clients started`);
    } finally {
      leave();
    }
  });
  await Promise.all(starting);
  const sampling = startSampling(env, users, run);
  stack.defer(() => sampling.stop());
  const phases: PhaseResult[] = [];
  let first: readonly UserTally[] | null = null;
  for (const phase of scenario.phases) {
    const { result, tallies } = await runPhase({ env, users, censor }, run, phase);
    const backSeconds =
      first !== null && phase.aims.backSeconds !== undefined ? secondsUntilBack(first, tallies) : null;
    first ??= tallies;
    const measures = { ...result.measures, backSeconds };
    const whole = { ...result, measures, aims: judgeAims(phase.aims, measures) };
    phases.push(whole);
    run.onPhase(whole);
  }
  sampling.stop();
  const { title, ours } = scenario;
  return {
    scenario: run.name,
    title,
    users: users.length,
    commit: labCommit(),
    date: new Date().toISOString(),
    timeScale: run.timeScale,
    phases,
    series: sampling.series,
    notes: ours,
  };
}
