// What ordinary programs talk to: a web site, plain, over TLS and over QUIC, git over TLS and over SSH, and a name server.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Env, SocketAddress } from '@rozan/tunnel';
import { createDemoSite } from '../demo/site.ts';
import { startDnsResponder } from '../testing/dns-responder.ts';
import { findHttpBackend, startGitServer } from '../testing/git-server.ts';
import { type QuicServer, startQuicServer } from '../testing/quic-server.ts';
import { startSshServer } from '../testing/ssh-server.ts';
import { findProgram, type Programs } from './programs.ts';

/** Where ordinary programs go; null for what this machine cannot have. */
export interface BenignServers extends AsyncDisposable {
  readonly site: SocketAddress;
  readonly secureSite: SocketAddress | null;
  readonly git: SocketAddress | null;
  readonly ssh: {
    readonly address: SocketAddress;
    readonly options: readonly string[];
    readonly repository: string;
  } | null;
  /** A name server that has one answer, `benignAddress`. */
  readonly names: SocketAddress;
  /** Serves one file over HTTP/3. */
  readonly quic: SocketAddress | null;
}

/** What the name server says of every name. */
export const BENIGN_ADDRESS = '198.51.100.80';
/** The file over HTTP/3, and its size. */
export const QUIC_FILE = { name: 'file.bin', bytes: 300_000 } as const;

/** Starts TLS in front of a place. */
async function startTlsFront(
  env: Env,
  target: SocketAddress,
  { key, cert }: { key: Buffer; cert: Buffer },
): Promise<AsyncDisposable & { readonly address: SocketAddress }> {
  const server = createServer({ key, cert, ALPNProtocols: ['http/1.1'] }, (conn) => {
    conn.on('error', () => conn.destroy());
    void env.network.dial(target).then(
      (plain) => {
        plain.on('error', () => conn.destroy());
        conn.on('close', () => plain.destroy());
        conn.pipe(plain).pipe(conn);
      },
      () => conn.destroy(),
    );
  });
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.on('error', () => conn.destroy());
    server.emit('connection', conn);
  });
  return { address: listener.address, [Symbol.asyncDispose]: () => listener.close() };
}

async function makeCertificate(programs: Programs, folder: string): Promise<{ key: Buffer; cert: Buffer } | null> {
  if (findProgram('openssl') === null) return null;
  const [key, cert] = [join(folder, 'benign.key'), join(folder, 'benign.crt')];
  const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await programs.run('openssl', [...made, '-subj', '/CN=www.example.org', '-keyout', key, '-out', cert]);
  return { key: await readFile(key), cert: await readFile(cert) };
}

/** A repository with a file of a few hundred kilobytes. */
async function makeRepository(programs: Programs, folder: string): Promise<string> {
  const [work, bare] = [join(folder, 'work'), join(folder, 'repositories', 'project.git')];
  const git = (...args: string[]) =>
    programs.run('git', ['-C', work, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args]);
  await mkdir(work, { recursive: true });
  const lines = Array.from({ length: 6000 }, (_, line) => createHash('sha256').update(String(line)).digest('hex'));
  await writeFile(join(work, 'file'), lines.join('\n'));
  await git('init', '-q');
  await git('add', '.');
  await git('commit', '-q', '-m', 'a file');
  await programs.run('git', ['clone', '-q', '--bare', work, bare]);
  return bare;
}

/** A server for HTTP/3 with one file; null where this machine has none. */
async function startQuic(folder: string): Promise<QuicServer | null> {
  if (findProgram('gtlsserver') === null || findProgram('openssl') === null) return null;
  const [state, root] = [join(folder, 'quic'), join(folder, 'quic', 'root')];
  await mkdir(root, { recursive: true });
  await writeFile(join(root, QUIC_FILE.name), randomBytes(QUIC_FILE.bytes));
  return startQuicServer(state, root);
}

/** The port is the censor's, and ssh takes the first that it is told. */
function withoutPort(options: readonly string[]): readonly string[] {
  const at = options.indexOf('-p');
  return options.toSpliced(at, 2);
}

/** Starts them all. */
export async function startBenignServers(env: Env, programs: Programs, folder: string): Promise<BenignServers> {
  await using stack = new AsyncDisposableStack();
  const site = stack.use(await createDemoSite(env)).address;
  const certificate = await makeCertificate(programs, folder);
  const secured = async (place: SocketAddress) =>
    certificate === null ? null : stack.use(await startTlsFront(env, place, certificate)).address;
  const backend = findProgram('git') === null ? null : await findHttpBackend();
  const repository = backend === null ? null : await makeRepository(programs, folder);
  const plainGit = backend === null ? null : stack.use(await startGitServer(backend, join(folder, 'repositories')));
  const git = plainGit === null ? null : await secured({ host: '127.0.0.1', port: plainGit.port });
  const hasSsh = process.getuid?.() === 0 && findProgram('sshd') !== null && repository !== null;
  const sshd = hasSsh ? stack.use(await startSshServer(folder)) : null;
  const ssh =
    sshd === null || repository === null
      ? null
      : { address: { host: '127.0.0.1', port: sshd.port }, options: withoutPort(sshd.clientOptions), repository };
  const secureSite = await secured(site);
  const names = stack.use(await startDnsResponder(BENIGN_ADDRESS));
  const quicServer = await startQuic(folder);
  if (quicServer !== null) stack.use(quicServer);
  const at = ({ port }: { readonly port: number }) => ({ host: '127.0.0.1', port });
  const running = stack.move();
  return {
    ...{ site, secureSite, git, ssh, names: at(names), quic: quicServer === null ? null : at(quicServer) },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
