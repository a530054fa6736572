import { join } from 'node:path';
import { type Env, formatAddress, type SocketAddress, toTunnelError } from '@rozan/tunnel';
import { openControlFolder } from './control-folder.ts';
import { type Database, openDatabase } from './database/database.ts';
import { openEmbeddedPostgres } from './database/embedded-postgres.ts';
import { migrate } from './database/migrate.ts';
import type { Site } from './http/route.ts';
import { serveHttp, type TlsFiles } from './http/serve.ts';
import { createHttp, type Http } from './http/server.ts';
import { startJobs } from './jobs/jobs.ts';
import { admitLocalToken, createFirstAccount } from './people/accounts.ts';
import { Publisher } from './publication/publisher.ts';
import { openEntrySigner } from './relays/entry-signer.ts';
import { ROUTES } from './routes/routes.ts';

/** What `createControl` is told. */
export interface ControlOptions {
  /** The data folder; made if need be. */
  readonly folder: string;
  readonly listen: SocketAddress;
  /** A PostgreSQL of somebody else's; null for one of its own in the folder. */
  readonly databaseUrl: string | null;
  /** By which people reach it, if that is not where it listens. */
  readonly origin?: string | null;
  readonly tls?: TlsFiles | null;
  /** Addresses of proxies before it. */
  readonly trustedProxies?: readonly string[];
  readonly version: string;
  /** What it publishes: the folder that `rozan keys init` has made, and where copies go. Null for a control plane that does not publish. */
  readonly publication?: { readonly folder: string; readonly to: readonly string[] } | null;
  /** Whether making its own database waits for the disk; a test need not. */
  readonly isSynced?: boolean;
}

/** A control plane that runs. */
export interface Control extends AsyncDisposable {
  readonly address: SocketAddress;
  /** By which people reach it. */
  readonly origin: string;
  /** The login link of a network that was made just now; null otherwise. It is nowhere else. */
  readonly loginLink: string | null;
  /** Rejects when its own database does not stay up. */
  readonly failed: Promise<never>;
}

/** A loopback address is called `localhost`: passkeys belong to a name. */
function originOf(address: SocketAddress, isTls: boolean): string {
  const isLoopback = address.host.startsWith('127.') || address.host === '::1';
  const place = isLoopback ? `localhost:${address.port}` : formatAddress(address);
  return `${isTls ? 'https' : 'http'}://${place}`;
}

/** The database, and what it comes to when that is our own. */
async function openStore(
  env: Env,
  options: ControlOptions & { readonly path: string },
  stack: AsyncDisposableStack,
): Promise<{ readonly database: Database; readonly failed: Promise<never> }> {
  if (options.databaseUrl !== null) {
    const database = stack.use(openDatabase({ connectionString: options.databaseUrl }, env.log));
    return { database, failed: new Promise(() => {}) };
  }
  const { isSynced } = options;
  const postgres = stack.use(await openEmbeddedPostgres(env, { folder: join(options.path, 'postgres'), isSynced }));
  return { database: stack.use(openDatabase(postgres.address, env.log)), failed: postgres.failed };
}

/** The server for everybody, and the one for this machine's command line. */
async function listen(
  env: Env,
  http: Http,
  options: ControlOptions & { readonly socketPath: string; readonly stack: AsyncDisposableStack },
): Promise<SocketAddress> {
  const { stack } = options;
  const listener = await serveHttp(env, http, { address: options.listen, tls: options.tls ?? null });
  stack.defer(() => listener.close());
  const local = await env.network
    .listenLocal(options.socketPath, (conn) => {
      conn.on('error', () => conn.destroy());
      http.server.emit('connection', conn);
    })
    .catch((error: unknown) => {
      throw toTunnelError(error);
    });
  stack.defer(() => local.close());
  return listener.address;
}

/**
 * Starts a control plane. Throws a `FolderError`, a `ControlError`, a `TunnelError` if it cannot listen, and what PostgreSQL says of a database of
 * somebody else's.
 */
export async function createControl(options: ControlOptions, env: Env): Promise<Control> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await openControlFolder(env.random, options.folder));
  const { database, failed } = await openStore(env, { ...options, path: folder.path }, stack);
  await migrate(database);
  const signer = await openEntrySigner(env.random, { folder: folder.path, database });
  const { clock, random } = env;
  await admitLocalToken({ database, clock }, folder.token);
  const site: { current: Site } = { current: { origin: '', host: '' } };
  const http = await createHttp(env, {
    routes: ROUTES,
    database,
    signer,
    site: () => site.current,
    version: options.version,
    trustedProxies: options.trustedProxies ?? [],
  });
  stack.use(await startJobs(env, database));
  const { publication = null } = options;
  if (publication !== null) stack.use(new Publisher(env, { database, signer, ...publication }));
  const address = await listen(env, http, { ...options, socketPath: folder.socketPath, stack });
  const origin = options.origin ?? originOf(address, (options.tls ?? null) !== null);
  site.current = { origin, host: new URL(origin).hostname };
  // Last of all: a link is not to be lost with a control plane that does not come up.
  const token = await createFirstAccount({ database, clock, random });
  const owned = stack.move();
  return {
    address,
    origin,
    loginLink: token === null ? null : `${origin}/login#${token}`,
    failed,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
