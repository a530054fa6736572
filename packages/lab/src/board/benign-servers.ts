// What ordinary programs talk to: a web site, plain and over TLS, and git over both and over SSH.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Env, SocketAddress } from '@rozan/tunnel';
import { createDemoSite } from '../demo-site.ts';
import { findHttpBackend, startGitServer } from '../testing/git-server.ts';
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
}

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
  const running = stack.move();
  return { site, secureSite, git, ssh, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
