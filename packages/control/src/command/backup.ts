import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { createEnv, type Env } from '@rozan/tunnel';
import {
  createPrivateFolder,
  expectPrivate,
  FolderError,
  isMissing,
  lockFolder,
  readPrivateFile,
  syncFolder,
  writeFileAtomically,
} from '@rozan/tunnel/data-folder';
import { EXIT_CODE } from '@rozan/tunnel/program';
import { ControlError } from '../control-error.ts';
import { readBackup, writeBackup } from '../database/backup.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { connectToEmbedded, openEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { migrate } from '../database/migrate.ts';
import { ENTRY_KEY_BYTES, ENTRY_KEY_FILE } from '../relays/entry-signer.ts';
import { stayAlive } from './stay-alive.ts';

const FILE_MODE = 0o600;

/** Which network. */
interface Place {
  readonly data: string;
  readonly databaseUrl: string | null;
}

/** Locks the folder if nobody else has; false if a control plane runs on it. */
async function tryLock(folder: string, stack: AsyncDisposableStack): Promise<boolean> {
  try {
    const lock = await lockFolder(folder, 'control plane');
    stack.defer(() => lock.release());
    return true;
  } catch (error) {
    if (error instanceof FolderError && error.code === 'folder-locked') return false;
    throw error;
  }
}

/** The database of a network, whether its control plane runs or not. */
async function openStore(
  env: Env,
  place: Place,
  options: { stack: AsyncDisposableStack; isRunning: boolean },
): Promise<Database> {
  const { stack, isRunning } = options;
  if (place.databaseUrl !== null) return stack.use(openDatabase({ connectionString: place.databaseUrl }, env.log));
  const folder = join(resolve(place.data), 'postgres');
  const postgres = stack.use(isRunning ? await connectToEmbedded(folder) : await openEmbeddedPostgres(env, { folder }));
  return stack.use(openDatabase(postgres.address, env.log));
}

async function readEntryKey(folder: string): Promise<Buffer> {
  const key = await readPrivateFile(join(folder, ENTRY_KEY_FILE), ENTRY_KEY_BYTES);
  if (key !== null) return key;
  throw new ControlError('entry-key', `there is no network in ${folder}`, {
    remedy: 'Name the folder of a control plane with --data DIR.',
  });
}

/** `rozan control backup FILE`. The file is there as a whole or not at all. */
export async function backupControl(file: string, place: Place, signal: AbortSignal): Promise<number> {
  using _alive = stayAlive(signal);
  const env = createEnv({ log: () => {} });
  const folder = resolve(place.data);
  await using stack = new AsyncDisposableStack();
  const entryKey = await readEntryKey(folder);
  const isRunning = !(await tryLock(folder, stack));
  const database = await openStore(env, place, { stack, isRunning });
  const temporary = `${file}.tmp`;
  await rm(temporary, { force: true });
  const gzip = createGzip();
  const output = createWriteStream(temporary, { mode: FILE_MODE, flags: 'wx', flush: true });
  stack.defer(() => rm(temporary, { force: true }));
  const written = finished(gzip.pipe(output));
  written.catch(() => {}); // waited for below, and told of by the writes
  const rows = await writeBackup(database, {
    entryKey,
    write: async (line) => {
      if (output.errored !== null) throw output.errored;
      if (!gzip.write(`${line}\n`)) await new Promise((drained) => gzip.once('drain', drained));
    },
  });
  gzip.end();
  await written;
  await rename(temporary, file);
  await syncFolder(dirname(resolve(file)));
  process.stdout.write(
    `${rows} rows are in ${file}. Whoever has that file has the network: keep it as you would a key.\n`,
  );
  return EXIT_CODE.fine;
}

async function expectFile(file: string): Promise<void> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    if (!isMissing(cause)) throw cause;
    throw new ControlError('backup-refused', `there is no file ${file}`, { cause });
  });
  await handle.close();
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const input = createReadStream(file);
  const gunzip = createGunzip();
  input.on('error', (error) => gunzip.destroy(error));
  try {
    yield* createInterface({ input: input.pipe(gunzip) });
  } catch (cause) {
    throw new ControlError('backup-refused', 'the backup is not whole', { cause });
  } finally {
    input.destroy();
  }
}

/** `rozan control restore FILE`. */
export async function restoreControl(file: string, place: Place, signal: AbortSignal): Promise<number> {
  using _alive = stayAlive(signal);
  const env = createEnv({ log: () => {} });
  const folder = resolve(place.data);
  await using stack = new AsyncDisposableStack();
  await expectFile(file);
  await createPrivateFolder(folder);
  await expectPrivate(folder);
  const lock = await lockFolder(folder, 'control plane');
  stack.defer(() => lock.release());
  const database = await openStore(env, place, { stack, isRunning: false });
  const rows = await readBackup(database, {
    lines: linesOf(file),
    onEntryKey: (key) => writeFileAtomically(join(folder, ENTRY_KEY_FILE), key),
  });
  await migrate(database);
  process.stdout.write(`${rows} rows are back. Start the network with "rozan control --data ${place.data}".\n`);
  return EXIT_CODE.fine;
}
