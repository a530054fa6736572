import { createEnv } from '@rozan/tunnel';
import { addressOption, collect, EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { Command } from 'commander';
import type { Route } from '../http/route.ts';
import { ROUTES } from '../routes/routes.ts';
import { type ApiRequest, askControl } from './api-client.ts';
import { commandOf } from './route-command.ts';
import { runCommand, type SetTask, type Task, usualFolder } from './run-command.ts';
import { showReply } from './show-reply.ts';

interface RawOptions {
  readonly data?: string;
  readonly json?: boolean;
  readonly listen: string;
  readonly origin?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustProxy?: string[];
  readonly publication?: string;
  readonly publishTo?: string[];
}

function databaseUrl(): string | null {
  return process.env.DATABASE_URL || null;
}

function originOption(text: string | undefined): string | null {
  if (text === undefined) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/') return url.origin;
  throw new ProgramError(EXIT_CODE.usage, '--origin takes a URL without a path, such as https://control.example.org');
}

function run(raw: RawOptions): Task {
  return async (signal) => {
    // Loaded when they are asked for: a command that only asks a control plane begins in half the time.
    const { runControl } = await import('./run-control.ts');
    return runControl(
      {
        data: raw.data ?? usualFolder(),
        listen: addressOption('--listen', raw.listen),
        json: raw.json ?? false,
        databaseUrl: databaseUrl(),
        origin: originOption(raw.origin),
        tlsCert: raw.tlsCert ?? null,
        tlsKey: raw.tlsKey ?? null,
        trustProxy: raw.trustProxy ?? [],
        publication: raw.publication ?? null,
        publishTo: raw.publishTo ?? [],
      },
      signal,
    );
  };
}

async function ask(request: ApiRequest, options: { readonly data: string; readonly json: boolean }): Promise<number> {
  const reply = await askControl(createEnv({ log: () => {} }), options.data, request);
  process.stdout.write(`${options.json ? JSON.stringify(reply) : showReply(reply)}\n`);
  return EXIT_CODE.fine;
}

function addRoute(
  parent: Command,
  route: Route,
  options: { word: string; setTask: SetTask; shared: () => RawOptions },
) {
  const { word, setTask, shared } = options;
  parent.addCommand(
    commandOf(route, word, (request, given) =>
      setTask(() =>
        ask(request, {
          data: given.data ?? shared().data ?? usualFolder(),
          json: given.json ?? shared().json ?? false,
        }),
      ),
    ),
  );
}

/** Adds the commands of all routes that have one; those of two words under a command of the first. */
function addRoutes(control: Command, setTask: SetTask): void {
  const groups = new Map<string, Command>();
  for (const route of ROUTES) {
    const [first, second] = route.command?.split(' ') ?? [];
    if (first === undefined) continue;
    const shared = () => control.opts<RawOptions>();
    if (second === undefined) {
      addRoute(control, route, { word: first, setTask, shared });
      continue;
    }
    const group = groups.get(first) ?? new Command(first).description(`see ${first} --help`).exitOverride();
    if (!groups.has(first)) control.addCommand(group);
    groups.set(first, group);
    addRoute(group, route, { word: second, setTask, shared });
  }
}

function addBackup(control: Command, setTask: SetTask): void {
  const dataOption = ['--data <dir>', "the control plane's folder"] as const;
  const dataOf = (options: { data?: string }) => options.data ?? control.opts<RawOptions>().data ?? usualFolder();
  control
    .command('backup <file>')
    .description('write all that the network is, its entry key included, to a file of mode 0600; while it runs, too')
    .option(...dataOption)
    .action((file: string, options: { data?: string }) =>
      setTask(async (signal) => {
        const { backupControl } = await import('./backup.ts');
        return backupControl(file, { data: dataOf(options), databaseUrl: databaseUrl() }, signal);
      }),
    );
  control
    .command('restore <file>')
    .description('make the network of a backup in a folder and a database that have none')
    .option(...dataOption)
    .action((file: string, options: { data?: string }) =>
      setTask(async (signal) => {
        const { restoreControl } = await import('./backup.ts');
        return restoreControl(file, { data: dataOf(options), databaseUrl: databaseUrl() }, signal);
      }),
    );
}

function createControlCommand(setTask: SetTask): Command {
  const control = new Command('rozan control')
    .description('Runs the control plane of a network, and asks one that runs.')
    .exitOverride()
    .option('--data <dir>', 'its folder; made if need be')
    .option('--listen <host:port>', 'where it listens', '127.0.0.1:8443')
    .option('--origin <url>', 'by which people and relays reach it, if that is another')
    .option('--tls-cert <file>', 'a certificate with its chain, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--trust-proxy <address>', 'a proxy before it, whose word on who asks is taken; repeatable', collect)
    .option(
      '--publication <dir>',
      'what it publishes: the folder that `rozan keys init` has made; DATA/publication without, if that is there',
    )
    .option(
      '--publish-to <place>',
      'where copies go: a folder, or s3://BUCKET/PREFIX?endpoint=URL; repeatable',
      collect,
    )
    .option('--json', 'print events as JSON lines, and replies as JSON')
    .action((options: RawOptions) => setTask(run(options)));
  addBackup(control, setTask);
  addRoutes(control, setTask);
  return control;
}

function createChannelCommand(setTask: SetTask): Command {
  const channel = new Command('rozan channel')
    .description('The channels of a network, by which people learn of its relays; for a control plane that runs.')
    .exitOverride()
    .option('--data <dir>', "the control plane's folder")
    .option('--json', 'as JSON');
  for (const route of ROUTES) {
    const [first, word] = route.command?.split(' ') ?? [];
    if (first === 'channel' && word !== undefined)
      addRoute(channel, route, { word, setTask, shared: () => channel.opts() });
  }
  return channel;
}

/** `rozan control` and its subcommands; returns the exit code. Throws a `ProgramError` for whatever a person can mend. */
export function runControlCommand(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runCommand(createControlCommand, args, signal);
}

/** `rozan channel …`: the commands for channels under a shorter name. */
export function runChannelCommand(args: readonly string[], signal: AbortSignal): Promise<number> {
  return runCommand(createChannelCommand, args, signal);
}
