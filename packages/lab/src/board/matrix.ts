import type { Env } from '@rozan/tunnel';
import { type CellPlan, type CellResult, runCell } from './cell.ts';
import { Gate } from './gate.ts';
import { type LabPolicy, startCensor } from './lab-policies.ts';
import type { MatrixScenario } from './scenario-file.ts';
import type { SessionWorld } from './session.ts';
import { PAGE_BYTES } from './site.ts';
import type { Subject } from './subject.ts';

/** A browser's patience with one request, beside what the page takes on a line by itself. */
const PATIENCE_MS = 10_000;
/** The page has to share a slow line with what carries it. */
const OVERHEAD = 1.25;
/** A download that shall outlast a limit of age lasts so much longer. */
const OUTLAST = 1.25;
const SURVIVAL_CAP_MS = 180_000;
/** On a throttled line a long download is one of so many seconds. */
const SLOW_DOWNLOAD_SECONDS = 60;
/** Where so many in a row get nothing, the others are not tried: rules that sample are no rules that stop everybody. */
const GIVE_UP_AFTER = 3;
/** Cells under way at once: those that mostly wait for an age or a slow line, and the others. */
const SLOW_CELLS_AT_ONCE = 24;
const QUICK_CELLS_AT_ONCE = 14;

/** What `runMatrix` is told. */
export interface MatrixRun {
  readonly scenario: MatrixScenario;
  readonly policies: readonly LabPolicy[];
  readonly subjects: readonly Subject[];
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Cells that an earlier run has done. */
  readonly known: readonly CellResult[];
  /** Called for each new cell; `share` of all the work is done by then. */
  onCell(result: CellResult, share: number): void;
}

/** What a policy is a variant of: `C34` of `C34-packets`. */
function entryOf({ id }: LabPolicy): string {
  return id.split('-')[0] ?? id;
}

/** The first variant of each entry of the catalogue, by id: their cells are the headline. */
export function headlines(policies: readonly LabPolicy[]): ReadonlySet<string> {
  const first = new Map(policies.toReversed().map((policy) => [entryOf(policy), policy.id]));
  return new Set(first.values());
}

/** What is done in a cell: the long download lasts longer than the policy's age, or than a minute at its rate. */
export function planFor(
  scenario: MatrixScenario,
  policy: LabPolicy,
  { isAdaptive, isHeadline }: { readonly isAdaptive: boolean; readonly isHeadline: boolean },
): CellPlan {
  const { adaptiveSessions, variantSessions = adaptiveSessions, otherSessions, survivalBytes } = scenario;
  const { lastsMs, allowedRate, hopeless } = policy;
  const seconds = (lastsMs / 1000) * OUTLAST;
  const bytes = allowedRate === null ? survivalBytes : Math.min(survivalBytes, allowedRate * SLOW_DOWNLOAD_SECONDS);
  const rate = seconds > 0 ? bytes / seconds : 0;
  const ours = isHeadline ? adaptiveSessions : variantSessions;
  const sessions = isAdaptive ? ours : otherSessions;
  return {
    sessions,
    giveUpAfter: isAdaptive && hopeless === undefined ? sessions : GIVE_UP_AFTER,
    attemptMs: patienceOf(policy),
    survival: bytes > 0 ? { bytes, rate, capMs: SURVIVAL_CAP_MS } : null,
    allowedRate,
    isProbing: policy.isProbing,
  };
}

/** How long one request may take: a slow line takes its time by itself. */
function patienceOf({ allowedRate }: LabPolicy): number {
  return PATIENCE_MS + (allowedRate === null ? 0 : (PAGE_BYTES / allowedRate) * OVERHEAD * 1000);
}

interface Job {
  readonly policy: LabPolicy;
  readonly subject: Subject;
  readonly plan: CellPlan;
  /** For what the censor draws. */
  readonly seed: number;
}

function jobsOf({ policies, subjects, scenario, seed }: MatrixRun): Job[] {
  const first = headlines(policies);
  const pairs = policies.flatMap((policy) => subjects.map((subject) => ({ policy, subject })));
  return pairs.map(({ policy, subject }, index) => {
    const { isAdaptive } = subject;
    const plan = planFor(scenario, policy, { isAdaptive, isHeadline: first.has(policy.id) });
    return { policy, subject, plan, seed: seed + index };
  });
}

/** How much work a cell is, beside others: starting a client, and a long download, which is as much as some starts. */
function workOf({ plan }: Job): number {
  return plan.sessions + 4;
}

/** Runs every subject under every policy, many cells at once; cells that are known are not run again. */
export async function runMatrix(env: Env, world: SessionWorld, run: MatrixRun): Promise<CellResult[]> {
  const { signal, known } = run;
  const [slow, quick] = [new Gate(SLOW_CELLS_AT_ONCE), new Gate(QUICK_CELLS_AT_ONCE)];
  const isKnown = ({ policy, subject }: Job) =>
    known.some((cell) => cell.policy === policy.id && cell.subject === subject.name);
  const jobs = jobsOf(run).filter((job) => !isKnown(job));
  const all = jobs.reduce((sum, job) => sum + workOf(job), 0);
  let done = 0;
  const found = jobs.map((job) => {
    const { policy, subject, plan, seed } = job;
    const isSlow = policy.lastsMs > 0 || policy.allowedRate !== null || policy.isProbing;
    return (isSlow ? slow : quick).run(async () => {
      signal.throwIfAborted();
      await using censor = startCensor(env, [policy], seed);
      const result = await runCell(world, { subject, policy: policy.id, censor, plan });
      // What was stopped in the middle is no result.
      signal.throwIfAborted();
      done += workOf(job);
      run.onCell(result, done / all);
      return result;
    });
  });
  return [...known, ...(await Promise.all(found))];
}
