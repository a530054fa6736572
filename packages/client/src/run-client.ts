import type { ServerEntry } from '@rozan/protocol';
import { createEnv, createPrograms, type Env, formatAddress, type SocketAddress } from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, untilAborted } from '@rozan/tunnel/program';
import { type Client, createClient } from './client.ts';
import { type ClientArguments, parseClientArguments } from './config.ts';
import { ClientFolder } from './data-folder.ts';
import { describe } from './describe.ts';
import { readEntries } from './entries.ts';
import { LocalProxyError } from './local-proxy/local-proxy-error.ts';

async function findEntries(env: Env, { entrySources, dataFolder }: ClientArguments): Promise<ServerEntry[]> {
  const folder = dataFolder === null ? null : await ClientFolder.open(dataFolder);
  const stored = entrySources.length === 0 ? await folder?.storedEntries() : null;
  const sources = stored ? [stored] : entrySources;
  if (sources.length === 0) {
    throw new ProgramError(EXIT_CODE.usage, 'a client needs a server entry to begin with', {
      remedy: 'Give it one with --entry FILE (a file with a rozan:// link), or - for standard input.',
    });
  }
  const entries = await readEntries(env, sources);
  if (!stored) await folder?.storeEntries(entries.map(({ link }) => link));
  return entries.map(({ entry }) => entry);
}

async function start(env: Env, args: ClientArguments): Promise<Client> {
  const entries = await findEntries(env, args);
  try {
    return await createClient({ ...args, entries }, env);
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

/** `rozan client`: runs until the signal is aborted; returns the exit code. */
export async function runClient(args: readonly string[], signal: AbortSignal): Promise<number> {
  const parsed = await parseClientArguments(args);
  if (parsed === null) return EXIT_CODE.fine;
  const output = createOutput({ json: parsed.json, write: (text) => process.stdout.write(text), describe });
  const bare = createEnv({ log: output.log });
  await using programs = createPrograms(bare, { commands: parsed.programs });
  const env: Env = { ...bare, programs };
  await using client = await start(env, parsed);
  const socks = addressText(client.proxies.socks);
  const http = addressText(client.proxies.http);
  output.say(`SOCKS proxy: ${socks}\nHTTP proxy:  ${http}\nConnecting; Ctrl-C ends it.`);
  await client.ready(signal);
  output.ready({ socks, http });
  await untilAborted(signal);
  return EXIT_CODE.fine;
}
