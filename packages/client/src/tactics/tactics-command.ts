import {
  encodeBase64url,
  formatTactics,
  judgeTactics,
  MAX_TACTICS_BYTES,
  ProtocolError,
  parseTactics,
  readUncheckedTactics,
  type Tactics,
  type TacticsValidity,
} from '@rozan/protocol';
import { createEnv, type Env } from '@rozan/tunnel';
import { collect, EXIT_CODE, ProgramError, parseCommand } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { TACTICS_REMEDIES } from './describe-tactics.ts';
import { describeDocument, describeOutcomes, ruleOutcomes } from './explain-rules.ts';
import { asnOption, countryOption } from './fact-options.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import { signRules } from './sign-rules.ts';
import { readTacticsFile, readTacticsKey } from './tactics-file.ts';

const DEFAULT_DAYS = '14';
const MOST_DAYS = 366;

interface ReadOptions {
  readonly tacticsKey?: string[];
  readonly json?: boolean;
}

interface CheckOptions extends ReadOptions {
  readonly country?: string;
  readonly asn?: string;
  readonly channel?: string[];
}

interface SignCommandOptions {
  readonly signingKey: string;
  readonly out: string;
  readonly days: string;
  readonly json?: boolean;
}

/** What there is to print: one for programs, one for people. */
interface Answer {
  readonly json: object;
  readonly text: string;
}

type Task = () => Promise<{ readonly answer: Answer; readonly json: boolean }>;

const VALIDITY: Readonly<Record<TacticsValidity, string>> = {
  valid: 'By the clock of this machine they are valid.',
  expired: 'They are out of their time: clients use them until there are newer ones, and say so.',
  unconfirmed: 'By the clock of this machine they are not valid now: it is wrong, or they are.',
};

/** Without a key the signature is not checked. */
async function readDocument(path: string, keySources: readonly string[]): Promise<Tactics> {
  const keys = await Promise.all(keySources.map(readTacticsKey));
  const bytes = await readTacticsFile(path).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the tactics cannot be read: ${path}`, { cause });
  });
  try {
    return keys.length === 0 ? readUncheckedTactics(bytes) : parseTactics(bytes, keys);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    const remedy =
      TACTICS_REMEDIES[cause.code] ??
      `It is a file of at most ${MAX_TACTICS_BYTES} bytes that \`rozan tactics sign\` has made.`;
    throw new ProgramError(EXIT_CODE.usage, cause.message, { cause, remedy });
  }
}

function factsOf({ country, asn, channel = [] }: CheckOptions) {
  return { country: countryOption(country), asn: asnOption(asn), channels: channel };
}

async function show(path: string, { tacticsKey = [] }: ReadOptions): Promise<Answer> {
  const tactics = await readDocument(path, tacticsKey);
  const isChecked = tacticsKey.length > 0;
  const warning = isChecked ? 'The signature is good.' : 'The signature has not been looked at (--tactics-key).';
  const { digest } = tactics;
  return {
    json: { digest, signature: isChecked ? 'good' : 'unchecked', ...formatTactics(tactics) },
    text: `${describeDocument(tactics)}\n${warning}`,
  };
}

async function check(env: Env, path: string, options: CheckOptions): Promise<Answer> {
  const { tacticsKey = [] } = options;
  if (tacticsKey.length === 0) {
    throw new ProgramError(EXIT_CODE.usage, 'whether tactics are good depends on who signed them', {
      remedy: 'Name the public key, as clients do, with --tactics-key.',
    });
  }
  const facts = factsOf(options);
  const tactics = await readDocument(path, tacticsKey);
  const validity = judgeTactics(tactics, { attestedMs: null, issuedMs: null, systemMs: env.clock.wallMs() });
  return {
    json: { digest: tactics.digest, validity, ...facts, rules: ruleOutcomes(tactics, facts) },
    text: `The signature is good. ${VALIDITY[validity]}\n${describeOutcomes(tactics, facts)}`,
  };
}

async function sign(env: Env, rules: string, { signingKey, out, days: text }: SignCommandOptions): Promise<Answer> {
  const days = Number(text);
  if (!(days > 0 && days <= MOST_DAYS)) {
    throw new ProgramError(EXIT_CODE.usage, `--days takes a number above 0, up to ${MOST_DAYS}`);
  }
  const privateKey = await readKeyFile(signingKey);
  const tactics = await signRules({ rules, out, days, privateKey, nowMs: env.clock.wallMs() });
  return { json: { digest: tactics.digest, file: out, ...formatTactics(tactics) }, text: describeDocument(tactics) };
}

async function keygen(env: Env, { signingKey }: { readonly signingKey: string }): Promise<Answer> {
  const publicKey = encodeBase64url(await createKeyFile(env.random, signingKey));
  return { json: { publicKey, file: signingKey }, text: publicKey };
}

function createCommand(env: Env, setTask: (task: Task) => void): Command {
  const tactics = new Command('rozan tactics')
    .description('Signed starting values for clients, by country, network and channel.')
    .exitOverride();
  const keyOption = ['--tactics-key <key>', 'a public key, or a file that holds one; repeatable', collect] as const;
  const jsonOption = ['--json', 'as JSON'] as const;
  const answer = (json: boolean | undefined, make: () => Promise<Answer>) =>
    setTask(async () => ({ answer: await make(), json: json ?? false }));
  tactics
    .command('keygen')
    .description('make a private key for signing, and print the public one')
    .requiredOption('--signing-key <file>', 'where to put the private key; a new file that only you can read')
    .option(...jsonOption)
    .action((options: { signingKey: string; json?: boolean }) => answer(options.json, () => keygen(env, options)));
  tactics
    .command('sign <rules>')
    .description('sign the rules in a JSON file')
    .requiredOption('--signing-key <file>', 'the file of the private key')
    .requiredOption('--out <file>', 'where to put the signed tactics')
    .option('--days <number>', 'for how long they are valid', DEFAULT_DAYS)
    .option(...jsonOption)
    .action((rules: string, options: SignCommandOptions) => answer(options.json, () => sign(env, rules, options)));
  tactics
    .command('show <file>')
    .description('show what signed tactics say')
    .option(...keyOption)
    .option(...jsonOption)
    .action((file: string, options: ReadOptions) => answer(options.json, () => show(file, options)));
  tactics
    .command('check <file>')
    .description('check signed tactics, and say which rule would apply to whom')
    .option(...keyOption)
    .option('--country <code>', 'a client in this country')
    .option('--asn <number>', 'a client in this network')
    .option('--channel <id>', 'a client with an entry of this channel; repeatable', collect)
    .option(...jsonOption)
    .action((file: string, options: CheckOptions) => answer(options.json, () => check(env, file, options)));
  return tactics;
}

/** `rozan tactics` and its subcommands; returns the exit code. Throws a `ProgramError` for whatever a person can mend. */
export async function runTacticsCommand(args: readonly string[]): Promise<number> {
  const tasks: Task[] = [];
  const env = createEnv({ log: () => {} });
  const parsed = await parseCommand(
    createCommand(env, (task) => tasks.push(task)),
    args,
  );
  if (parsed === null) return EXIT_CODE.fine;
  for (const task of tasks) {
    const { answer, json } = await task();
    process.stdout.write(`${json ? JSON.stringify(answer.json) : answer.text}\n`);
  }
  return EXIT_CODE.fine;
}
