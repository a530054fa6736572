import { readFile, writeFile } from 'node:fs/promises';
import { createEnv } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError, parseCommand, runProgram } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { BoardFile, readBoard, readInterrupted } from './board/board-file.ts';
import type { CellResult } from './board/cell.ts';
import { labCommit } from './board/commit.ts';
import { findLabPolicy, listLabPolicies } from './board/lab-policies.ts';
import { renderPage } from './board/page/page.ts';
import { phaseFacts } from './board/page/replay-section.ts';
import { createProgress } from './board/progress.ts';
import type { PhaseResult } from './board/replay-result.ts';
import { runInNamespaces, runScenario } from './board/run-scenario.ts';
import { readScenario, type Scenario, scenarioNames } from './board/scenario-file.ts';
import { formatScoreboard, type Scoreboard, tallyText } from './board/scoreboard.ts';
import { formatShortfalls } from './board/shortfalls.ts';
import { CaptureError } from './censor/capture-file.ts';
import { type CaptureJudgement, judgePcap } from './censor/judge-pcap.ts';
import { formatHellos, measureHellos } from './hellos/table.ts';

interface RunFlags {
  readonly json?: string;
  readonly html?: string;
  readonly add?: string[];
  readonly seed: string;
  readonly timeScale: string;
  readonly clients?: string;
  readonly resume?: boolean;
  readonly namespaces?: boolean;
}

const DEFAULT_SEED = '2013';
/** Dozens of programs are ended and their files removed before the lab ends, on a machine that they keep busy. */
const STOP_MS = 30_000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function numberOption(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text !== '' && Number.isFinite(value) && value >= least) return value;
  throw new ProgramError(EXIT_CODE.usage, `${option} takes a number of at least ${least}`);
}

async function list({ json = false }: { readonly json?: boolean }): Promise<void> {
  const policies = listLabPolicies().map(({ id, name, source }) => ({ id, name, source }));
  const scenarios = await Promise.all(
    (await scenarioNames()).map(async (name) => ({ name, title: (await readScenario(name)).title })),
  );
  if (json) {
    say(JSON.stringify({ policies, scenarios }));
    return;
  }
  for (const { id, name, source } of policies) say(`${id.padEnd(13)}${name}\n${' '.repeat(13)}${source}`);
  say('\nscenarios (and each policy by its id):');
  for (const { name, title } of scenarios) say(`${name.padEnd(13)}${title}`);
}

/** One policy by itself is a scenario, too. */
async function scenarioOf(name: string): Promise<Scenario> {
  if (!/^C\d\d/.test(name)) return readScenario(name);
  findLabPolicy(name);
  const matrix = await readScenario('matrix');
  return matrix.kind === 'matrix' ? withClients({ ...matrix, policies: [name] }, 15) : matrix;
}

/** With so many users, or so many sessions of the adaptive client in a cell. */
function withClients(scenario: Scenario, count: number): Scenario {
  if (scenario.kind === 'replay') return { ...scenario, users: count };
  return { ...scenario, adaptiveSessions: count, variantSessions: count };
}

function describePhase(phase: PhaseResult): string {
  const facts = phaseFacts(phase).map(([name, value]) => `    ${name.padEnd(38)}${value}`);
  const aims = phase.aims.map(({ text, value, holds }) => `    ${holds ? 'holds ' : 'MISSED'}  ${text}: ${value}`);
  return [`${phase.id}  ${phase.name} (${phase.when})`, `    ${phase.history}`, ...facts, ...aims].join('\n');
}

/** A table and a replay that were run apart, as one: the first that has either gives it, and the first of all the rest. */
function joinBoards([first, ...others]: readonly [Scoreboard, ...Scoreboard[]]): Scoreboard {
  const all = [first, ...others];
  const replay = all.find((board) => board.replay !== null)?.replay ?? null;
  return { ...(all.find(({ cells }) => cells.length > 0) ?? first), replay };
}

async function writePage(file: string, board: Scoreboard, added: readonly string[]): Promise<void> {
  const others = await Promise.all(added.map(readBoard));
  await writeFile(file, await renderPage(joinBoards([board, ...others])));
}

async function page([first, ...others]: readonly string[], { html }: { readonly html: string }): Promise<void> {
  if (first === undefined)
    throw new ProgramError(EXIT_CODE.usage, 'a file that `lab run --json` has written is needed');
  await writePage(html, await readBoard(first), others);
}

function cellLine({ policy, subject, reached, survival }: CellResult): string {
  const megabytes = (count: number) => (count / 1e6).toFixed(1);
  const whole = survival && ` ${megabytes(survival.bytes)} of ${megabytes(survival.wantedBytes)} MB`;
  return `${policy.padEnd(18)}${subject.padEnd(17)}${tallyText(reached)}${whole ?? ''}`;
}

async function run(name: string, flags: RunFlags, signal: AbortSignal): Promise<void> {
  const { clients, json, html, resume = false, namespaces = false, add = [] } = flags;
  const named = await scenarioOf(name);
  const scenario = clients === undefined ? named : withClients(named, numberOption('--clients', clients, 1));
  const seed = numberOption('--seed', flags.seed, 0);
  if (resume && namespaces) throw new ProgramError(EXIT_CODE.usage, '--resume does not go with --namespaces');
  if (resume && json === undefined) throw new ProgramError(EXIT_CODE.usage, '--resume goes with --json');
  const known =
    resume && json !== undefined ? await readInterrupted(json, { commit: labCommit(), seed, scenario }) : null;
  const file = json === undefined ? null : new BoardFile(json);
  const progress = createProgress(process.stderr);
  const board = await (namespaces ? runInNamespaces : runScenario)({
    name,
    scenario,
    seed,
    timeScale: numberOption('--time-scale', flags.timeScale, 0.01),
    known,
    signal,
    onProgress: (text) => progress.show(text),
    onCell: (cell) => progress.say(cellLine(cell)),
    onPhase: (phase) => progress.say(describePhase(phase)),
    onFound: (found) => file?.keep(found),
  });
  progress.end();
  await file?.write(board);
  if (board.cells.length > 0) say(`${formatScoreboard(board)}\n\n${formatShortfalls(board)}`);
  for (const phase of board.replay?.phases ?? []) say(describePhase(phase));
  for (const note of board.replay?.notes ?? []) say(`note: ${note}`);
  if (html !== undefined) await writePage(html, board, add);
}

async function judge(
  path: string,
  { json = false, seed }: { readonly json?: boolean; readonly seed: string },
): Promise<void> {
  const file = await readFile(path).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `${path} cannot be read`, { cause });
  });
  const judged = judgeCapture(file, numberOption('--seed', seed, 0));
  if (json) {
    say(JSON.stringify(judged));
    return;
  }
  say(`${judged.packets} packets, ${judged.flows} flows`);
  for (const { id, acted } of judged.policies) {
    if (acted.length > 0) say(`${id.padEnd(18)}acts on ${acted.length} of ${judged.flows} flows`);
  }
}

async function hello({ json = false }: { readonly json?: boolean }): Promise<void> {
  const missing: string[] = [];
  const rows = await measureHellos(createEnv({ log: () => {} }), (name) => missing.push(name));
  if (json) {
    say(JSON.stringify({ platform: process.platform, arch: process.arch, versions: process.versions, rows, missing }));
    return;
  }
  const { node, openssl } = process.versions;
  say(`${process.platform} ${process.arch}, Node ${node} (OpenSSL ${openssl})\n\n${formatHellos(rows)}`);
  for (const name of missing) say(`no hello of: ${name}`);
}

/** A file that is no capture is the caller's mistake. */
function judgeCapture(file: Buffer, seed: number): CaptureJudgement {
  try {
    return judgePcap(
      file,
      listLabPolicies().flatMap(({ policies }) => policies),
      { seed },
    );
  } catch (cause) {
    if (!(cause instanceof CaptureError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, cause.message, { cause });
  }
}

function createCommand(signal: AbortSignal): Command {
  const command = new Command('rozan lab')
    .description('Documented censors against the real programs, on this machine alone.')
    .exitOverride();
  command
    .command('list')
    .description('the policies with their sources, and the scenarios')
    .option('--json', 'as JSON')
    .action(list);
  command
    .command('run <name>')
    .description('run a scenario: its name, a file, or the id of a policy')
    .option('--json <file>', 'write all that was found')
    .option('--html <file>', 'write the scoreboard as a page that needs nothing else')
    .option(
      '--add <file>',
      'show in the page what another run has written with --json; repeatable',
      (file: string, before: string[] = []) => [...before, file],
    )
    .option('--seed <n>', 'the censor draws alike for the same seed', DEFAULT_SEED)
    .option('--time-scale <x>', 'phases of a replay last so many times what they should; timers never change', '1')
    .option('--resume', 'take up what an interrupted run has kept in the file of --json')
    .option(
      '--namespaces',
      'with real packets, between network namespaces: our own subjects, and what a packet filter can have (root)',
    )
    .option('--clients <n>', 'users of a replay, or sessions of the adaptive client in a cell')
    .action((name: string, flags: RunFlags) => run(name, flags, signal));
  command
    .command('page <files...>')
    .description('the page of what runs have written with --json: a table, a replay, or both')
    .requiredOption('--html <file>', 'where to write it')
    .action(page);
  command
    .command('judge <capture>')
    .description('what each policy makes of a capture (pcap, pcapng)')
    .option('--json', 'the log of verdicts as JSON')
    .option('--seed <n>', 'policies that sample draw alike for the same seed', DEFAULT_SEED)
    .action(judge);
  command
    .command('hello')
    .description(
      'the TLS hellos of our transports beside those of the browser and tools of this machine, with their JA4',
    )
    .option('--json', 'with all that was compared')
    .action(hello);
  return command;
}

/** Runs the lab; returns the exit code. */
export function main(args: string[]): Promise<number> {
  const run = async (signal: AbortSignal): Promise<number> => {
    await parseCommand(createCommand(signal), args.length === 0 ? ['--help'] : args);
    return EXIT_CODE.fine;
  };
  return runProgram('rozan lab', run, { stopMs: STOP_MS });
}
