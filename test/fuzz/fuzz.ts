import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { addToCorpus, writeFinding } from './corpus.ts';
import { SEEDED_BUG } from './targets/seeded.ts';
import { TARGETS } from './targets.ts';
import { fuzzWatched, type WatchedReport } from './watch.ts';

const HELP = `Feeds every decoder with changed inputs and watches for anything but a typed error.

  npm run fuzz -- [--minutes N] [--target NAME]... [--seed S] [--seeded-bug]

  --minutes N    for how long in all, 10 unless told; the targets share it
  --target NAME  only this one; repeatable
  --seed S       a number; the same one tries the same inputs
  --seeded-bug   fuzz a decoder with a bug in it as well, which must be found
  --list         the names of all targets

The exit code is 1 if there is a finding, which test/fuzz/findings/ then holds.
`;

interface Settings {
  readonly minutes: number;
  readonly targets: readonly string[];
  readonly seed: number;
}

/** Reads the command line. Throws an error with a message for a person. */
function parseSettings(args: readonly string[]): Settings | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      target: { type: 'string', multiple: true },
      seed: { type: 'string' },
      'seeded-bug': { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  const names = values.target ?? TARGETS.map(({ name }) => name);
  const unknown = names.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0) throw new Error(`no such target: ${unknown.join(', ')}`);
  return {
    minutes: numberOption('--minutes', values.minutes),
    targets: values['seeded-bug'] ? [SEEDED_BUG, ...names] : names,
    seed: values.seed === undefined ? Date.now() % 2 ** 31 : numberOption('--seed', values.seed),
  };
}

function numberOption(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number < 0 || text === '') throw new Error(`${name} takes a number`);
  return number;
}

/** Fuzzes all targets, as many at once as there are processors; returns how many of them have a finding. */
async function fuzzAll({ minutes, targets, seed }: Settings, { out }: Output): Promise<number> {
  const lanes = Math.min(availableParallelism(), targets.length);
  const durationMs = (minutes * 60_000 * lanes) / targets.length;
  const queue = [...targets];
  let findings = 0;
  const work = async () => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      const report = await fuzzWatched({ target, seed, durationMs, maxExecutions: Number.POSITIVE_INFINITY });
      out(`${describe(target, report)}\n`);
      if (report.finding !== null) findings++;
      if (target !== SEEDED_BUG) addToCorpus(target, report.newInputs);
    }
  };
  await Promise.all(Array.from({ length: lanes }, work));
  return findings;
}

function describe(target: string, report: WatchedReport): string {
  const { executions, newInputs, durationMs, finding, coveredCharacters } = report;
  const perSecond = Math.round(executions / (durationMs / 1000));
  const counts = `${executions} executions, ${perSecond} per second, ${coveredCharacters} characters of code reached`;
  const line = `${finding === null ? '✔' : '✖'} ${target}: ${counts}, ${newInputs.length} new inputs`;
  if (finding === null) return line;
  const path = writeFinding(target, finding.input, finding.description);
  return `${line}\n  ${path} (${finding.input.length} bytes)\n  ${finding.description.replaceAll('\n', '\n  ')}`;
}

/** Where the fuzzer's words go. */
interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const PROCESS_OUTPUT: Output = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
};

/** Runs the fuzzer from a command line; returns the exit code. */
export async function main(args: readonly string[], output: Output = PROCESS_OUTPUT): Promise<number> {
  let settings: Settings | 'help' | 'list';
  try {
    settings = parseSettings(args);
  } catch (error) {
    output.err(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  if (settings === 'help' || settings === 'list') {
    output.out(settings === 'help' ? HELP : `${TARGETS.map(({ name }) => name).join('\n')}\n`);
    return 0;
  }
  output.out(`seed ${settings.seed}, ${settings.minutes} minutes, ${settings.targets.length} targets\n`);
  const findings = await fuzzAll(settings, output);
  output.out(findings === 0 ? 'nothing found\n' : `findings: ${findings}\n`);
  return findings === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
