import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs, type Env, sleep } from '@rozan/tunnel';
import { createPrivateFolder, isMissing } from '@rozan/tunnel/data-folder';
import { ControlError } from '../control-error.ts';
import { endOrphan } from './orphan.ts';
import { findPostgresFiles, type PostgresFiles } from './postgres-files.ts';
import {
  makeCluster,
  type PostgresPlace,
  type PostgresProcess,
  STILL_IN_USE,
  startPostgres,
} from './postgres-process.ts';
import { giveTo, isSuperuser, namedUser, newOwner, ownerOf } from './postgres-user.ts';

const OWNER_ONLY = 0o700;
/** Tries of a start while the processes of one that was killed are still ending. */
const START_TRIES = 40;
const TRY_AGAIN_MS = 100;
/** Restarts, one soon after the other, before the database is given up. */
const MAX_RESTARTS = 8;
const RESTART = { minMs: 100, maxMs: 5_000 } as const;
/** A database that has stayed up for so long has started well. */
const STAYED_UP_MS = 60_000;

/** How a client connects to a database. */
export interface DatabaseAddress {
  readonly host: string;
  readonly user: string;
  readonly database: string;
}

/** A way to a database. */
interface DatabaseDoor extends AsyncDisposable {
  readonly address: DatabaseAddress;
}

/** A PostgreSQL of the control plane's own. It is started again when it dies, and ends with the process, however that ends. */
export interface EmbeddedPostgres extends DatabaseDoor {
  /** Of the postmaster that runs now. */
  readonly pid: number;
  /** Rejects with `database-failed` when it does not stay up. */
  readonly failed: Promise<never>;
}

/** What `openEmbeddedPostgres` is told. */
export interface EmbeddedOptions {
  /** The folder that all of it lies in; made if need be. No other process may use it. */
  readonly folder: string;
  /** Those of the packages, if nothing is said. */
  readonly files?: PostgresFiles | undefined;
  /** Whether making the database waits for the disk. */
  readonly isSynced?: boolean | undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if (isMissing(error)) return false;
      throw error;
    },
  );
}

/** Makes the database in a folder beside its own, so that one that is there is whole. */
async function makeDatabase(files: PostgresFiles, options: EmbeddedOptions): Promise<void> {
  const temporary = join(options.folder, 'new');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { mode: OWNER_ONLY });
  const user = isSuperuser() ? await namedUser() : null;
  if (user !== null) await giveTo(temporary, user);
  await makeCluster({ files, folder: temporary, user }, options.isSynced ?? true);
  const owner = newOwner();
  if (owner !== null) await giveTo(temporary, owner);
  await rename(temporary, join(options.folder, 'db'));
}

/** Starts it, and waits for what a killed one has left. */
async function startPatiently(env: Env, place: PostgresPlace): Promise<PostgresProcess> {
  const { signal } = new AbortController();
  for (let tries = 1; ; tries += 1) {
    await endOrphan(env, place.folder);
    try {
      return await startPostgres(place);
    } catch (error) {
      const isLeaving = error instanceof ControlError && STILL_IN_USE.test(error.message);
      if (!isLeaving || tries === START_TRIES) throw error;
      await sleep(env, TRY_AGAIN_MS, signal);
    }
  }
}

/** Keeps PostgreSQL up until it is told to stop. */
class Keeper {
  readonly failed: Promise<never>;
  readonly #env: Env;
  readonly #place: PostgresPlace;
  readonly #fail: (error: unknown) => void;
  readonly #stopping = new AbortController();
  #running: PostgresProcess;
  #loop: Promise<void>;

  constructor(env: Env, place: PostgresPlace, running: PostgresProcess) {
    this.#env = env;
    this.#place = place;
    this.#running = running;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // nobody has to look
    this.failed = promise;
    this.#fail = reject;
    this.#loop = this.#keep();
  }

  get pid(): number {
    return this.#running.pid;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running.stop();
    await this.#loop;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const startedMs = this.#env.clock.monotonicMs();
      const said = await this.#running.ended;
      if (signal.aborted) return;
      this.#env.log({ event: 'database.lost' });
      failures = this.#env.clock.monotonicMs() - startedMs > STAYED_UP_MS ? 1 : failures + 1;
      if (failures > MAX_RESTARTS) {
        this.#fail(new ControlError('database-failed', `PostgreSQL does not stay up. It says: ${said}`));
        return;
      }
      try {
        await sleep(this.#env, backoffMs(failures, { ...RESTART, fraction: 1 }), signal);
        this.#running = await startPatiently(this.#env, this.#place);
      } catch (error) {
        if (!signal.aborted) this.#fail(error);
        return;
      }
      this.#env.log({ event: 'database.back' });
    }
    await this.#running.stop(); // it was told to stop while it was being started
  }
}

/** The path of the folder with the socket. On Linux one that is short, whatever the folder's is: a socket's path is of 107 bytes at most. */
async function socketFolder(folder: string, stack: AsyncDisposableStack): Promise<string> {
  if (process.platform !== 'linux') return folder;
  const handle = stack.use(await open(folder, 'r'));
  return `/proc/self/fd/${handle.fd}`;
}

function addressAt(host: string): DatabaseAddress {
  return { host, user: 'rozan', database: 'postgres' };
}

/** The way to the database in a folder on which a control plane runs. */
export async function connectToEmbedded(folder: string): Promise<DatabaseDoor> {
  await using stack = new AsyncDisposableStack();
  const address = addressAt(await socketFolder(join(folder, 'db'), stack));
  const owned = stack.move();
  return { address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Opens the database in a folder, and makes it first if there is none. Throws a `ControlError` (`database-missing`, `database-failed`). */
export async function openEmbeddedPostgres(env: Env, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { folder } = options;
  await using stack = new AsyncDisposableStack();
  await createPrivateFolder(folder);
  const files = options.files ?? (await findPostgresFiles({ isForOther: isSuperuser(), folder }));
  const db = join(folder, 'db');
  if (!(await exists(db))) await makeDatabase(files, options);
  const place = { files, folder: db, user: await ownerOf(db) };
  const host = await socketFolder(db, stack);
  const keeper = new Keeper(env, place, await startPatiently(env, place));
  stack.defer(() => keeper.stop());
  const owned = stack.move();
  return {
    address: addressAt(host),
    failed: keeper.failed,
    get pid() {
      return keeper.pid;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
