// Subjects of ours in network namespaces: the censor is the kernel's packet filter, and all that moves are real packets.
import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHostPort } from '@rozan/protocol';
import { createEnv, type SocketAddress } from '@rozan/tunnel';
import { createCensoredNamespaces } from './namespace.ts';
import type { PacketPolicy } from './packet-policies.ts';
import { Programs } from './programs.ts';
import { expectedHash } from './site.ts';
import type { Subject, SubjectClient } from './subject.ts';
import { startSubjects } from './subjects.ts';

/** How a download by curl went. */
export interface CurlDownload {
  readonly bytes: number;
  readonly isWhole: boolean;
  readonly seconds: number;
}

/** Client and server on the two sides of a censor that filters packets. */
export interface NamespaceWorld extends AsyncDisposable {
  readonly subjects: readonly Subject[];
  readonly clientHost: string;
  /** Puts a policy in place of what was there. */
  enforce(policy: PacketPolicy): Promise<void>;
  /** Packets that the policy has acted on. */
  acted(): Promise<number>;
  /** Starts a user's client. */
  startClient(subject: Subject): Promise<SubjectClient>;
  /** Downloads from the site with curl, in the client's namespace; straight ahead without a client. */
  download(
    client: SubjectClient | null,
    options: { readonly bytes: number; readonly rate?: number; readonly seconds: number },
  ): Promise<CurlDownload>;
}

const READY_MS = 30_000;
const TAG_BYTES = 3;
const SITE_PROGRAM = join(import.meta.dirname, '../testing/site-program.ts');

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

async function startSite(programs: Programs, host: string): Promise<SocketAddress> {
  const program = programs.startScript(SITE_PROGRAM, [host]);
  const [, place = ''] = await program.said(/^site (\S+)/, AbortSignal.timeout(READY_MS));
  return parseHostPort(place);
}

/** Runs curl, and looks at what it has fetched. */
async function fetchByCurl(
  programs: Programs,
  url: string,
  { file, proxy, bytes, seconds }: { file: string; proxy: string | null; bytes: number; seconds: number },
): Promise<CurlDownload> {
  const through = proxy === null ? ['--noproxy', '*'] : ['--socks5-hostname', proxy];
  const curl = programs.start('curl', [
    '-sS',
    ...through,
    '--max-time',
    String(seconds),
    '-o',
    file,
    '-w',
    'took %{time_total}',
    url,
  ]);
  await curl.ended;
  const took = curl.lines.map((line) => /^took ([\d.]+)/.exec(line)?.[1]).find((text) => text !== undefined);
  const got = await readFile(file).catch(() => Buffer.alloc(0));
  await rm(file, { force: true });
  const isWhole = got.length === bytes && createHash('sha256').update(got).digest('hex') === expectedHash(bytes);
  return { bytes: got.length, isWhole, seconds: Number(took ?? seconds) };
}

/** Ends programs as soon as the signal says so, and not only when what waits for them has noticed. */
function endWith(signal: AbortSignal, ...all: readonly Programs[]): Disposable {
  const onAbort = () => {
    for (const programs of all) void programs[Symbol.asyncDispose]();
  };
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', onAbort) };
}

/** Makes the namespaces, a site and a relay in the server's, and subjects whose clients run in the client's. */
export async function startNamespaceWorld(
  folder: string,
  isWanted: (name: string) => boolean,
  signal: AbortSignal = new AbortController().signal,
): Promise<NamespaceWorld> {
  await using stack = new AsyncDisposableStack();
  const spaces = stack.use(await createCensoredNamespaces(randomBytes(TAG_BYTES).toString('hex')));
  const cacheFolder = join(folder, 'compiled');
  const servers = stack.use(new Programs({ prefix: spaces.serverPrefix, cacheFolder }));
  const clients = stack.use(new Programs({ prefix: spaces.clientPrefix, cacheFolder }));
  stack.use(endWith(signal, servers, clients));
  const env = createEnv({ log: () => {} });
  const { serverHost, clientHost } = spaces;
  const site = await startSite(servers, serverHost);
  const world = { env, programs: servers, folder, site, serverHost, usesSeenPorts: true };
  const { all } = await startSubjects(world, isWanted, { relayHosts: [serverHost] });
  let downloads = 0;
  const running = stack.move();
  return {
    subjects: all,
    clientHost,
    enforce: ({ rules, sets }) => spaces.setRules(rules, sets),
    acted: async () => sumOf(await spaces.counters()),
    startClient: (subject) => subject.startClient(clients, async ({ actual }) => actual),
    download: async (client, { bytes, rate, seconds }) => {
      downloads += 1;
      const path = rate === undefined ? `/bytes/${bytes}` : `/bytes/${bytes}/${rate}`;
      const socks = client?.socks();
      const proxy = socks === undefined ? null : `${socks.host}:${socks.port}`;
      const file = join(folder, `download-${downloads}`);
      return fetchByCurl(clients, `http://${site.host}:${site.port}${path}`, { file, proxy, bytes, seconds });
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
