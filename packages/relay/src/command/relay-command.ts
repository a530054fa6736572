import { availableParallelism } from 'node:os';
import { TRANSPORTS, TunnelError } from '@rozan/tunnel';
import { FolderError } from '@rozan/tunnel/data-folder';
import { addressOption, collect, EXIT_CODE, ProgramError, parseCommand } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { RelayError } from '../data-folder/relay-error.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';
import { allowOption, dnsOption, isLoopback, isOnBun, workersOption } from './arguments.ts';
import { askRelay, readEntryLink } from './ask-relay.ts';
import { type EnrolFlags, enrol } from './enrol.ts';
import { type InitOptions, initRelay } from './init-relay.ts';
import { type RunOptions, runRelay } from './run-relay.ts';
import { addSiblingsFrom, dropSibling, listSiblings } from './siblings.ts';

interface RawRunOptions {
  readonly data?: string;
  readonly json?: boolean;
  readonly egressAllow?: string[];
  readonly dns?: string[];
  readonly metrics: string;
  readonly workers?: string;
}

/** What the arguments ask for; returns the exit code. */
type Task = (signal: AbortSignal) => Promise<number>;

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return EXIT_CODE.fine;
}

function needData(data: string | undefined): string {
  if (data !== undefined) return data;
  throw new ProgramError(EXIT_CODE.usage, 'a relay lives in a folder', { remedy: 'Name it with --data DIR.' });
}

/** One worker for each processor core that this process may use. */
function usualWorkers(): number {
  return isOnBun() ? 1 : Math.min(availableParallelism(), WORKER_BOUNDS.workers);
}

function runOptions(raw: RawRunOptions): RunOptions {
  const metrics = raw.metrics === 'off' ? null : addressOption('--metrics', raw.metrics);
  if (metrics !== null && !isLoopback(metrics)) {
    throw new ProgramError(EXIT_CODE.usage, '--metrics takes a loopback address, such as 127.0.0.1:9464');
  }
  return {
    data: needData(raw.data),
    json: raw.json ?? false,
    egressAllow: (raw.egressAllow ?? []).map(allowOption),
    dnsServers: raw.dns?.map(dnsOption),
    metrics,
    workers: raw.workers === undefined ? usualWorkers() : workersOption(raw.workers),
  };
}

function transportHelp(): string {
  return TRANSPORTS.map(({ name, options }) => {
    const choices = Object.entries(options).map(([option, takes]) => `${option}=${takes}`);
    return choices.length === 0 ? name : `${name} (${choices.join(', ')})`;
  }).join('; ');
}

/** The subcommands; each sets the task. Options of their own, so that `--data` stands before or behind the subcommand. */
function addSubcommands(relay: Command, setTask: (task: Task) => void): void {
  const dataOption = ['--data <dir>', "the relay's folder"] as const;
  const dataOf = (options: { data?: string }) => needData(options.data ?? relay.opts<RawRunOptions>().data);
  relay
    .command('init')
    .description('make a relay and print its entry, a rozan:// link')
    .option(...dataOption)
    .requiredOption(
      '--listen <transport=host:port>',
      `where it listens, with ,option=value behind it where the transport has options; port 0 picks a free one; repeatable. The transports: ${transportHelp()}`,
      collect,
    )
    .option('--address <transport=host:port>', 'where clients reach it, if that differs; repeatable', collect)
    .option('--channel <id>', 'a distribution channel with a secret of its own; repeatable', collect)
    .action((options: Partial<InitOptions> & Pick<InitOptions, 'listen'>) =>
      setTask(async () => print((await initRelay({ ...options, data: dataOf(options) })).join('\n'))),
    );
  relay
    .command('entry')
    .description('print the entry of a relay again')
    .option(...dataOption)
    .option('--channel <id>', 'of which channel', 'default')
    .action((options: { data?: string; channel: string }) =>
      setTask(async () => print(await readEntryLink(dataOf(options), options.channel))),
    );
  relay
    .command('enrol')
    .description('make the relay one of a network: it reports to the control plane, and is what that tells it to be')
    .option(...dataOption)
    .requiredOption('--control <url>', 'where the control plane is: https://…, or http:// on this machine')
    .requiredOption(
      '--token <file>',
      'a file with the one-time token of `rozan control enrolment add`, or - for standard input',
    )
    .option('--control-ca <file>', 'authorities that may vouch for the control plane, PEM')
    .option('--region <code>', 'the country that it stands in, such as DE')
    .option('--again', 'also if it belongs to a network already')
    .action((options: Omit<EnrolFlags, 'data'> & { data?: string }) =>
      setTask(async () => print(await enrol({ ...options, data: dataOf(options) }))),
    );
  relay
    .command('drain')
    .description('have a running relay take no new sessions; what runs goes on')
    .option(...dataOption)
    .action((options: { data?: string }) =>
      setTask(async () => print(await askRelay(dataOf(options), 'drain', false))),
    );
  relay
    .command('status')
    .description('show what a running relay does')
    .option(...dataOption)
    .option('--json', 'as JSON')
    .action((options: { data?: string; json?: boolean }) =>
      setTask(async () =>
        print(await askRelay(dataOf(options), 'status', options.json ?? relay.opts<RawRunOptions>().json ?? false)),
      ),
    );
}

/** `relay siblings …`: the relays with which this one forwards carriers. */
function addSiblingCommands(relay: Command, setTask: (task: Task) => void): void {
  const dataOption = ['--data <dir>', "the relay's folder"] as const;
  const dataOf = (options: { data?: string }) => needData(options.data ?? relay.opts<RawRunOptions>().data);
  const siblings = relay
    .command('siblings')
    .description('the relays with which this one forwards carriers, so that blocking one address ends no download');
  siblings
    .command('add <file>')
    .description('add the relay whose entry is in a file, or - for standard input; it has to add this one, too')
    .option(...dataOption)
    .action((file: string, options: { data?: string }) =>
      setTask(async () => print(await addSiblingsFrom(dataOf(options), file))),
    );
  siblings
    .command('list')
    .description('show them by their ids')
    .option(...dataOption)
    .option('--json', 'as JSON')
    .action((options: { data?: string; json?: boolean }) =>
      setTask(async () =>
        print(await listSiblings(dataOf(options), options.json ?? relay.opts<RawRunOptions>().json ?? false)),
      ),
    );
  siblings
    .command('remove <id>')
    .description('remove the one with this id')
    .option(...dataOption)
    .action((id: string, options: { data?: string }) =>
      setTask(async () => print(await dropSibling(dataOf(options), id))),
    );
}

function createCommand(setTask: (task: Task) => void): Command {
  const relay = new Command('rozan relay')
    .description('Runs a relay: carries the traffic of clients to the internet.')
    .exitOverride()
    .option('--data <dir>', 'the folder that `relay init` has made')
    .option(
      '--egress-allow <cidr>',
      'also reach this network (CIDR or CIDR:PORT), which the guard would refuse; repeatable',
      collect,
    )
    .option('--dns <address>', "ask this name server instead of the system's resolver; repeatable", collect)
    .option('--metrics <host:port>', 'where Prometheus metrics are served, on loopback; off for nowhere', '127.0.0.1:0')
    .option('--workers <n>', 'how many processes serve; one for each core without')
    .option('--json', 'print events as JSON lines')
    .action((options: RawRunOptions) => setTask((signal) => runRelay(runOptions(options), signal)));
  addSubcommands(relay, setTask);
  addSiblingCommands(relay, setTask);
  return relay;
}

/** `rozan relay` and its subcommands; returns the exit code. Throws a `ProgramError` for whatever a person can mend. */
export async function runRelayCommand(args: readonly string[], signal: AbortSignal): Promise<number> {
  let task: Task = async () => EXIT_CODE.fine;
  const parsed = await parseCommand(
    createCommand((given) => {
      task = given;
    }),
    args,
  );
  if (parsed === null) return EXIT_CODE.fine;
  try {
    return await task(signal);
  } catch (cause) {
    if (cause instanceof RelayError || cause instanceof FolderError)
      throw new ProgramError(exitCodeOf(cause), cause.message, { cause, remedy: cause.remedy });
    if (cause instanceof TunnelError) throw new ProgramError(EXIT_CODE.failure, cause.message, { cause });
    throw cause;
  }
}

function exitCodeOf({ code }: RelayError | FolderError): number {
  return code.startsWith('folder-') || code.startsWith('replay-') ? EXIT_CODE.dataFolder : EXIT_CODE.failure;
}
