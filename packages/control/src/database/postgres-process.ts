import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { ControlError } from '../control-error.ts';
import type { PostgresFiles } from './postgres-files.ts';
import type { UserIds } from './postgres-user.ts';

/** Lines that PostgreSQL has said last, for the error when it does not come up. */
const KEPT_LINES = 12;
const READY = /database system is ready to accept connections/;
/** Processes of a postmaster that was killed may still hold its memory; they are on their way out. */
export const STILL_IN_USE = /shared memory block .* is still in use|lock file ".*" already exists/;

/** Small, for a machine that has other things to do; the rest is PostgreSQL's own. */
const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: '64',
  shared_buffers: '32MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  jit: 'off',
  log_checkpoints: 'off',
  // What a statement holds is nobody's to read in a log.
  log_min_error_statement: 'panic',
} as const;

/**
 * Becomes PostgreSQL, after leaving somebody behind who asks it to stop once the other end of standard input has gone: with the control plane, however
 * that ends. The watcher is nobody's child, because a postmaster takes the death of a child that it does not know for a crash.
 */
const WITH_WATCHER =
  'exec 3<&0 </dev/null; me=$$; ( ( read -r _ <&3; kill -INT "$me" ) >/dev/null 2>&1 & ); exec "$@" 3<&-';

/** Where and as whom PostgreSQL runs. */
export interface PostgresPlace {
  readonly files: PostgresFiles;
  /** The data directory. */
  readonly folder: string;
  readonly user: UserIds | null;
}

/** A running postmaster. */
export interface PostgresProcess {
  readonly pid: number;
  /** Resolves when it has ended, with what it said last. */
  readonly ended: Promise<string>;
  /** Has it end its connections and write its memory to disk. */
  stop(): Promise<void>;
}

/**
 * How PostgreSQL is told where its files are. On Linux it is by the folder in which it was started, so that it can be in a place to which its user
 * could not walk: below a superuser's folder of mode 0700.
 */
function ownPath({ folder, files }: PostgresPlace): string {
  return process.platform === 'linux' && files.staysInFolder ? '/proc/self/cwd' : folder;
}

function environment(): NodeJS.ProcessEnv {
  return { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/local/bin:/usr/bin:/bin' };
}

/** Makes a database in an empty folder, which belongs to the user. `isSynced`: whether it has to outlive a power cut. */
export async function makeCluster(place: PostgresPlace, isSynced: boolean): Promise<void> {
  const { files, folder, user } = place;
  const args = ['-D', ownPath(place), '-U', 'rozan', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-instructions'];
  if (!isSynced) args.push('--no-sync');
  try {
    await promisify(execFile)(files.initdb, args, { cwd: folder, env: environment(), ...user });
  } catch (cause) {
    const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
    throw failed(said, cause);
  }
}

function failed(said: string, cause?: unknown): ControlError {
  return new ControlError('database-failed', `PostgreSQL does not start. It says: ${said}`, {
    cause,
    remedy: 'Mend what it says, or use another PostgreSQL: DATABASE_URL=postgres://USER@HOST/NAME',
  });
}

/** Starts PostgreSQL on a folder; resolves when it takes connections. Throws `database-failed` with what it said. */
export async function startPostgres(place: PostgresPlace): Promise<PostgresProcess> {
  const { files, folder, user } = place;
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = [files.postgres, '-D', ownPath(place), '-k', ownPath(place), ...settings];
  const child = spawn('/bin/sh', ['-c', WITH_WATCHER, 'sh', ...args], {
    cwd: folder,
    env: environment(),
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true, // a terminal's Ctrl-C is for the control plane, which then stops this
    ...user,
  });
  const said: string[] = [];
  const ended = once(child, 'exit').then(
    () => said.join('\n'),
    (error: unknown) => String(error),
  );
  const isReady = await waitUntilReady(child, said);
  if (!isReady) throw failed(await ended);
  const { pid, stdin } = child;
  if (pid === undefined) throw failed(await ended);
  void ended.then(() => stdin?.destroy()); // lets the watcher go
  return {
    pid,
    ended,
    stop: async () => {
      child.kill('SIGINT');
      await ended;
    },
  };
}

/** False if it ended instead. */
async function waitUntilReady(child: ChildProcess, said: string[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.on('error', (error) => {
    said.push(error.message);
    resolve(false);
  });
  child.once('exit', () => resolve(false));
  child.stdin?.on('error', () => {});
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (said.length > KEPT_LINES) said.shift();
      if (READY.test(line)) resolve(true);
    });
  }
  return promise;
}
