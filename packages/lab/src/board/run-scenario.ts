import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { createEnv, type Env } from '@rozan/tunnel';
import { createScratchFolder } from '../world.ts';
import { benignSet, runBenign } from './benign.ts';
import { startBenignServers } from './benign-servers.ts';
import type { CellResult } from './cell.ts';
import { runControls } from './controls.ts';
import { Gate } from './gate.ts';
import { findLabPolicy, type LabPolicy, listLabPolicies, OPEN, startCensor } from './lab-policies.ts';
import { labelsOf } from './labels.ts';
import { runMatrix } from './matrix.ts';
import { Programs } from './programs.ts';
import { runReplay } from './replay.ts';
import type { PhaseResult } from './replay-result.ts';
import type { MatrixScenario, ReplayScenario, Scenario } from './scenario-file.ts';
import type { Scoreboard, SubjectHeading } from './scoreboard.ts';
import type { SessionWorld } from './session.ts';
import { startLabSite } from './site.ts';
import { readSubjects, type Subjects, startSubjects } from './subjects.ts';

/** What a run is told. */
export interface RunOptions {
  readonly name: string;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly timeScale: number;
  /** Users of a replay, or sessions of the adaptive client; null for what the scenario says. */
  readonly clients: number | null;
  readonly signal: AbortSignal;
  onProgress(text: string): void;
  onCell(cell: CellResult): void;
  onPhase(phase: PhaseResult): void;
}

/** Clients that start at once: more would only wait for the processors. */
const STARTS_AT_ONCE = 4;
/** Clients that run at once: each takes some 80 MB. */
const CLIENTS_AT_ONCE = 70;
/** Ordinary programs at once, and policies that they run under: those that a censor has stopped wait for nothing. */
const BENIGN_AT_ONCE = 16;
const BENIGN_POLICIES_AT_ONCE = 6;
const LOOPBACK = '127.0.0.1';

function commitOf(): string {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], options).trim();
  } catch {
    return 'unknown';
  }
}

interface Stage {
  readonly env: Env;
  readonly world: SessionWorld;
  readonly subjects: Subjects;
  readonly folder: string;
}

async function runTable(stage: Stage, scenario: MatrixScenario, options: RunOptions): Promise<Partial<Scoreboard>> {
  const { env, world, subjects, folder } = stage;
  const policies = scenario.policies.includes('*') ? listLabPolicies() : scenario.policies.map(findLabPolicy);
  const sessions = options.clients ?? scenario.adaptiveSessions;
  const cells = await runMatrix(env, world, {
    scenario: { ...scenario, adaptiveSessions: sessions },
    policies,
    subjects: subjects.all,
    seed: options.seed,
    signal: options.signal,
    onCell: (cell, done, total) => {
      options.onCell(cell);
      options.onProgress(`${done} of ${total} cells`);
    },
  });
  const benign = await runBenignTable(stage, policies, { times: scenario.benignTimes, options });
  const controls = runControls(policies, options.seed);
  const headings: SubjectHeading[] = [];
  for (const subject of subjects.all) {
    options.onProgress(`labels of ${subject.name}`);
    const labels = await labelsOf(env, world.programs, { subject, folder });
    headings.push({ name: subject.name, family: subject.family, isAdaptive: subject.isAdaptive, labels });
  }
  const named = policies.map(({ id, name, source, hopeless }) => ({ id, name, source, hopeless }));
  return { policies: named, subjects: headings, cells, controls, ...benign };
}

/** Ordinary programs under every policy. */
async function runBenignTable(
  { env, world, folder }: Stage,
  policies: readonly LabPolicy[],
  { times, options }: { readonly times: number; readonly options: RunOptions },
): Promise<Pick<Scoreboard, 'falsePositives' | 'skipped'>> {
  if (times === 0) return { falsePositives: [], skipped: [] };
  const { programs } = world;
  await using servers = await startBenignServers(env, programs, folder);
  const set = benignSet(servers);
  const [atOnce, starts] = [new Gate(BENIGN_POLICIES_AT_ONCE), new Gate(BENIGN_AT_ONCE)];
  const found = [OPEN, ...policies].map((policy) =>
    atOnce.run(async () => {
      options.onProgress(`ordinary programs under ${policy.id}`);
      await using censor = startCensor(env, [policy], options.seed);
      return await runBenign({ env, programs, starts, folder }, { set, policy: policy.id, censor, times });
    }),
  );
  return { falsePositives: (await Promise.all(found)).flat(), skipped: set.skipped };
}

async function runPhases(stage: Stage, scenario: ReplayScenario, options: RunOptions): Promise<Partial<Scoreboard>> {
  const [subject] = stage.subjects.all;
  if (subject === undefined) throw new Error('the adaptive client is missing');
  const replay = await runReplay(stage.env, stage.world, {
    scenario,
    name: options.name,
    users: options.clients ?? scenario.users,
    timeScale: options.timeScale,
    subject,
    seed: options.seed,
    signal: options.signal,
    policy: findLabPolicy,
    onPhase: options.onPhase,
    onProgress: options.onProgress,
  });
  return { replay };
}

async function isWantedBy(scenario: Scenario): Promise<(name: string) => boolean> {
  if (scenario.kind === 'matrix') return (name) => scenario.subjects.includes('*') || scenario.subjects.includes(name);
  const { adaptive } = await readSubjects();
  return (name) => name === adaptive;
}

/** Runs a scenario with everything that it needs, and leaves nothing behind. */
export async function runScenario(options: RunOptions): Promise<Scoreboard> {
  const { scenario } = options;
  const startMs = performance.now();
  const env = createEnv({ log: () => {} });
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await createScratchFolder());
  const programs = stack.use(new Programs({ cacheFolder: `${folder}/compiled` }));
  options.signal.addEventListener('abort', () => void programs[Symbol.asyncDispose](), { once: true });
  const site = stack.use(await startLabSite(env));
  options.onProgress('starting servers');
  const world = { env, programs, folder, site: site.address, serverHost: LOOPBACK };
  const subjects = await startSubjects(world, await isWantedBy(scenario));
  const clients = scenario.kind === 'replay' ? Number.POSITIVE_INFINITY : CLIENTS_AT_ONCE;
  const { signal } = options;
  const sessions = { env, programs, signal, starts: new Gate(STARTS_AT_ONCE), clients: new Gate(clients) };
  const stage = { env, world: sessions, subjects, folder };
  const found =
    scenario.kind === 'matrix' ? await runTable(stage, scenario, options) : await runPhases(stage, scenario, options);
  return {
    v: 1,
    commit: commitOf(),
    date: new Date().toISOString(),
    seed: options.seed,
    tookSeconds: Math.round((performance.now() - startMs) / 1000),
    policies: [],
    subjects: [],
    cells: [],
    falsePositives: [],
    controls: [],
    replay: null,
    ...found,
    skipped: [...subjects.skipped, ...(found.skipped ?? [])],
  };
}
