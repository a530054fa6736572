import type { ServerEntry } from '@rozan/protocol';
import {
  createBrowserLoader,
  createEnv,
  createPrograms,
  type Env,
  formatAddress,
  ipVersion,
  type Log,
  type LogEvent,
  type SocketAddress,
  type UpstreamProxy,
  viaProxy,
} from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, untilAborted } from '@rozan/tunnel/program';
import { addEntries } from './brand/add-command.ts';
import { findBrand, startWithBrand } from './brand/run-brand.ts';
import { type Client, createClient } from './client.ts';
import { type ClientArguments, parseClientArguments, type TacticsArguments } from './config.ts';
import { ClientFolder } from './data-folder.ts';
import { describe } from './describe.ts';
import { readEntries } from './entries.ts';
import { describeEstablish } from './establish/describe-establish.ts';
import { handOnNames } from './establish/name-resolver.ts';
import { LocalProxyError } from './local-proxy/local-proxy-error.ts';
import { describeTactics } from './tactics/describe-tactics.ts';
import type { ClientTactics } from './tactics/open-tactics.ts';
import { readTacticsFile, readTacticsKey } from './tactics/tactics-file.ts';
import { lookupProxy, readUpstreamProxy } from './upstream-source.ts';

async function findEntries(
  env: Env,
  { entrySources }: ClientArguments,
  folder: ClientFolder | null,
): Promise<ServerEntry[]> {
  const stored = entrySources.length === 0 ? await folder?.storedEntries() : null;
  const sources = stored ? [stored] : entrySources;
  if (sources.length === 0) {
    throw new ProgramError(EXIT_CODE.usage, 'a client needs a server entry to begin with', {
      remedy:
        'Give it one with --entry FILE (a file with a rozan:// link; - is standard input), or a brand file with --brand FILE.',
    });
  }
  const entries = await readEntries(env, sources);
  if (!stored) await folder?.storeEntries(entries.map(({ link }) => link));
  return entries.map(({ entry }) => entry);
}

async function findTactics(
  { file, keySources, country, asn }: TacticsArguments,
  folder: ClientFolder | null,
): Promise<ClientTactics> {
  const keys = await Promise.all(keySources.map(readTacticsKey));
  return { read: () => readTacticsFile(file), keys, country, asn, store: folder?.tactics ?? null };
}

async function start(bare: Env, args: ClientArguments, upstream: UpstreamProxy | null): Promise<Client> {
  const { brandFile } = args;
  const dataFolder = args.dataFolder ?? (brandFile === null ? null : ClientFolder.usualPath());
  const folder = dataFolder === null ? null : await ClientFolder.open(dataFolder);
  const brand = folder === null ? null : await findBrand(folder, brandFile);
  const env =
    upstream === null ? bare : { ...bare, network: viaProxy(bare.network, upstream, { resolve: lookupProxy }) };
  const resolve = upstream === null ? undefined : handOnNames;
  const tactics = args.tactics === null ? undefined : await findTactics(args.tactics, folder);
  const config = { ...args, memory: folder?.memory, tactics, resolve };
  try {
    if (folder !== null && brand !== null) return await startWithBrand(env, { ...config, brand, folder });
    return await createClient({ ...config, entries: await findEntries(bare, args, folder) }, env);
  } catch (error) {
    if (error instanceof LocalProxyError) {
      throw new ProgramError(EXIT_CODE.cannotListen, error.message, { cause: error });
    }
    throw error;
  }
}

/** The text of an address that was listened at. */
export function addressText(address: SocketAddress | undefined): string {
  return address === undefined ? '' : formatAddress(address);
}

/** Executables of others take no names. */
async function literalProxy(upstream: UpstreamProxy | null, signal: AbortSignal): Promise<UpstreamProxy | undefined> {
  if (upstream === null) return undefined;
  const { host } = upstream;
  return ipVersion(host) !== 0 ? upstream : { ...upstream, host: await lookupProxy(host, signal) };
}

/** An account of why it cannot connect is of no use once it has: those events do not wait for the ready line. */
function explainAtOnce(log: Log, write: (text: string) => void): Log {
  return (event) => {
    if (event.event.startsWith('establish.')) write(`${JSON.stringify(event)}\n`);
    else log(event);
  };
}

/** `rozan client`: runs until the signal is aborted; returns the exit code. */
export async function runClient(args: readonly string[], signal: AbortSignal): Promise<number> {
  if (args[0] === 'add') return addEntries(args.slice(1));
  const parsed = await parseClientArguments(args);
  if (parsed === null) return EXIT_CODE.fine;
  const { json, explain } = parsed;
  const write = (text: string) => process.stdout.write(text);
  const tell = (event: LogEvent) =>
    describe(event) ?? (explain ? (describeEstablish(event) ?? describeTactics(event)) : null);
  const output = createOutput({ json, write, describe: tell });
  const log = explain && json ? explainAtOnce(output.log, write) : output.log;
  const bare = createEnv({ log });
  const { programs: commands, upstreamSource } = parsed;
  const upstream = upstreamSource === null ? null : await readUpstreamProxy(bare, upstreamSource);
  await using programs = createPrograms(bare, { commands, proxy: await literalProxy(upstream, signal) });
  await using client = await start({ ...bare, programs, loadBrowserSockets: createBrowserLoader() }, parsed, upstream);
  const socks = addressText(client.proxies.socks);
  const http = addressText(client.proxies.http);
  output.say(`SOCKS proxy: ${socks}\nHTTP proxy:  ${http}\nConnecting; Ctrl-C ends it.`);
  await client.ready(signal);
  output.ready({ socks, http });
  await untilAborted(signal);
  return EXIT_CODE.fine;
}
