import type { Env } from '@rozan/tunnel';
import { type CellPlan, type CellResult, runCell } from './cell.ts';
import { Gate } from './gate.ts';
import { type LabPolicy, startCensor } from './lab-policies.ts';
import type { MatrixScenario } from './scenario-file.ts';
import type { SessionWorld } from './session.ts';
import type { Subject } from './subject.ts';

const CAP_MS = 20_000;
/** A page of 100 kB at a twentieth of 1 Mbit/s takes 16 s by itself. */
const SLOW_CAP_MS = 60_000;
/** A download that shall outlast a limit of age lasts so much longer. */
const OUTLAST = 1.25;
const SURVIVAL_CAP_MS = 180_000;
/** On a throttled line a long download is one of so many seconds. */
const SLOW_DOWNLOAD_SECONDS = 60;
/** Cells under way at once: most of them wait most of the time. */
const CELLS_AT_ONCE = 14;

/** What `runMatrix` is told. */
export interface MatrixRun {
  readonly scenario: MatrixScenario;
  readonly policies: readonly LabPolicy[];
  readonly subjects: readonly Subject[];
  readonly seed: number;
  readonly signal: AbortSignal;
  onCell(result: CellResult, done: number, total: number): void;
}

/** What is done in a cell: the long download lasts longer than the policy's age, or than a minute at its rate. */
export function planFor(scenario: MatrixScenario, policy: LabPolicy, subject: Pick<Subject, 'isAdaptive'>): CellPlan {
  const { adaptiveSessions, otherSessions, survivalBytes } = scenario;
  const { lastsMs, allowedRate } = policy;
  const seconds = (lastsMs / 1000) * OUTLAST;
  const bytes = allowedRate === null ? survivalBytes : Math.min(survivalBytes, allowedRate * SLOW_DOWNLOAD_SECONDS);
  const rate = seconds > 0 ? bytes / seconds : 0;
  return {
    sessions: subject.isAdaptive ? adaptiveSessions : otherSessions,
    capMs: allowedRate === null ? CAP_MS : SLOW_CAP_MS,
    survival: bytes > 0 ? { bytes, rate, capMs: SURVIVAL_CAP_MS } : null,
    allowedRate,
  };
}

/** Runs every subject under every policy, many cells at once. */
export async function runMatrix(env: Env, world: SessionWorld, run: MatrixRun): Promise<CellResult[]> {
  const { policies, subjects, scenario, seed, signal } = run;
  const gate = new Gate(CELLS_AT_ONCE);
  const jobs = policies.flatMap((policy) => subjects.map((subject) => ({ policy, subject })));
  let done = 0;
  const results = jobs.map(({ policy, subject }, index) =>
    gate.run(async () => {
      signal.throwIfAborted();
      await using censor = startCensor(env, [policy], seed + index);
      const plan = planFor(scenario, policy, subject);
      const result = await runCell(world, { subject, policy: policy.id, censor, plan });
      done += 1;
      run.onCell(result, done, jobs.length);
      return result;
    }),
  );
  return Promise.all(results);
}
