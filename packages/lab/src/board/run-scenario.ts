import { createEnv, type Env } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { createScratchFolder } from '../world.ts';
import { benignSet, runBenign } from './benign.ts';
import { startBenignServers } from './benign-servers.ts';
import type { CellResult } from './cell.ts';
import { labCommit } from './commit.ts';
import { runControls } from './controls.ts';
import { Gate } from './gate.ts';
import { findLabPolicy, type LabPolicy, listLabPolicies, OPEN, startCensor } from './lab-policies.ts';
import { labelsOf, missingJudges } from './labels.ts';
import { runMatrix } from './matrix.ts';
import { runPackets } from './packet-run.ts';
import { Programs } from './programs.ts';
import { barText } from './progress.ts';
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
  /** What an interrupted run of the same has found; null to begin anew. */
  readonly known: Scoreboard | null;
  readonly signal: AbortSignal;
  onProgress(text: string): void;
  onCell(cell: CellResult): void;
  onPhase(phase: PhaseResult): void;
  /** Called with all that has been found so far, as often as something comes to it. */
  onFound(board: Scoreboard): void;
}

/** Clients that start at once: more would only wait for the processors. */
const STARTS_AT_ONCE = 4;
/** Clients that run at once: each takes some 80 MB. */
const CLIENTS_AT_ONCE = 70;
/** Ordinary programs at once, and policies that they run under: those that a censor has stopped wait for nothing. */
const BENIGN_AT_ONCE = 16;
const BENIGN_POLICIES_AT_ONCE = 6;
const LOOPBACK = '127.0.0.1';

interface Stage {
  readonly env: Env;
  readonly world: SessionWorld;
  readonly subjects: Subjects;
  readonly folder: string;
  /** A board with nothing found yet. */
  board(): Scoreboard;
}

/** What a table shows beside its cells. */
async function headingsOf(
  { env, world, subjects, folder }: Stage,
  policies: readonly LabPolicy[],
  options: RunOptions,
): Promise<Pick<Scoreboard, 'policies' | 'subjects' | 'controls'>> {
  const headings: SubjectHeading[] = [];
  for (const subject of subjects.all) {
    options.onProgress(`labels of ${subject.name}`);
    const labels = await labelsOf(env, world.programs, { subject, folder });
    headings.push({ name: subject.name, family: subject.family, isAdaptive: subject.isAdaptive, labels });
  }
  const named = policies.map(({ id, name, source, hopeless }) => ({ id, name, source, hopeless }));
  return { policies: named, subjects: headings, controls: runControls(policies, options.seed) };
}

function policiesOf({ policies }: MatrixScenario): LabPolicy[] {
  return policies.includes('*') ? listLabPolicies() : policies.map(findLabPolicy);
}

async function runTable(stage: Stage, scenario: MatrixScenario, options: RunOptions): Promise<Scoreboard> {
  const { env, world, subjects } = stage;
  const policies = policiesOf(scenario);
  const { known, seed, signal, onCell, onFound, onProgress } = options;
  const headings = await headingsOf(stage, policies, options);
  const cells = [...(known?.cells ?? [])];
  const startMs = performance.now();
  const board = () => ({ ...stage.board(), ...headings, cells });
  await runMatrix(env, world, {
    scenario,
    policies,
    subjects: subjects.all,
    seed,
    signal,
    known: [...cells],
    onCell: (cell, share) => {
      cells.push(cell);
      onCell(cell);
      onProgress(barText(share, performance.now() - startMs));
      onFound(board());
    },
  });
  const benign = await runBenignTable(stage, policies, { times: scenario.benignTimes, options });
  return { ...board(), ...benign, skipped: [...subjects.skipped, ...benign.skipped, ...missingJudges()] };
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
  const startMs = performance.now();
  let done = 0;
  const found = [OPEN, ...policies].map((policy) =>
    atOnce.run(async () => {
      await using censor = startCensor(env, [policy], options.seed);
      const results = await runBenign({ env, programs, starts, folder }, { set, policy: policy.id, censor, times });
      done += 1;
      const bar = barText(done / (policies.length + 1), performance.now() - startMs);
      options.onProgress(`ordinary programs ${bar}`);
      return results;
    }),
  );
  return { falsePositives: (await Promise.all(found)).flat(), skipped: set.skipped };
}

async function runPhases(stage: Stage, scenario: ReplayScenario, options: RunOptions): Promise<Scoreboard> {
  const [subject] = stage.subjects.all;
  if (subject === undefined) throw new Error('the adaptive client is missing');
  const replay = await runReplay(stage.env, stage.world, {
    scenario,
    name: options.name,
    timeScale: options.timeScale,
    subject,
    seed: options.seed,
    signal: options.signal,
    policy: findLabPolicy,
    onPhase: options.onPhase,
    onProgress: options.onProgress,
  });
  return { ...stage.board(), replay };
}

/** A board with nothing found yet. */
function emptyBoard(options: RunOptions, startMs: number): Scoreboard {
  return {
    v: 1,
    commit: labCommit(),
    date: new Date().toISOString(),
    seed: options.seed,
    scenario: options.scenario,
    tookSeconds: (options.known?.tookSeconds ?? 0) + Math.round((performance.now() - startMs) / 1000),
    policies: [],
    subjects: [],
    cells: [],
    falsePositives: [],
    controls: [],
    replay: null,
    skipped: [],
  };
}

async function isWantedBy(scenario: Scenario): Promise<(name: string) => boolean> {
  if (scenario.kind === 'matrix') return (name) => scenario.subjects.includes('*') || scenario.subjects.includes(name);
  const { adaptive } = await readSubjects();
  return (name) => name === adaptive;
}

/** Runs a table with real packets, of our own subjects, between network namespaces. Throws a `ProgramError` (usage) where there can be none. */
export async function runInNamespaces(options: RunOptions): Promise<Scoreboard> {
  const { scenario, signal, onCell, onProgress } = options;
  if (scenario.kind !== 'matrix') throw new ProgramError(EXIT_CODE.usage, 'a replay does not run in namespaces');
  const startMs = performance.now();
  await using scratch = await createScratchFolder();
  const isWanted = await isWantedBy(scenario);
  const { peers } = await readSubjects();
  const left = peers.filter(({ name }) => isWanted(name));
  const found = await runPackets({
    policies: policiesOf(scenario),
    folder: scratch.path,
    sessions: Math.min(scenario.otherSessions, scenario.adaptiveSessions),
    survivalBytes: scenario.survivalBytes,
    isWanted: (name) => isWanted(name) && !left.some((peer) => peer.name === name),
    ...{ signal, onCell, onProgress },
  });
  const why = 'programs of others are not started in namespaces';
  const skipped = [...found.skipped, ...left.map(({ name }) => ({ name, why }))];
  return { ...emptyBoard(options, startMs), ...found, skipped };
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
  const board = () => ({ ...emptyBoard(options, startMs), skipped: subjects.skipped });
  const stage = { env, world: sessions, subjects, folder, board };
  // Awaited here, so that what is on the stack lives as long.
  return scenario.kind === 'matrix'
    ? await runTable(stage, scenario, options)
    : await runPhases(stage, scenario, options);
}
