// What `rozan keys` and `rozan publish` work on:
//
//   keys/     the keys of the online roles                       public/   what is published
//   pending/  documents that wait for people's signatures         files/    what is to be published, by path: network/… releases/… partners/…
//   lists/    NAME.txt, server entries as share links; NAME.key, the key of their bucket
//   managed   is there when a control plane publishes the folder, with lists of its own
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeBase64url, encodeBase64url, ProtocolError, parseEntryText, parseServerEntry } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import {
  createPrivateFolder,
  expectPrivate,
  type FolderLock,
  lockFolder,
  readPrivateFile,
  writeFileAtomically,
} from '@rozan/tunnel/data-folder';
import { PublicationError } from '../errors.ts';
import { createKeyFile, readKeyFile } from '../key-file.ts';
import type { PublicKey, SigningKey } from '../keys.ts';
import { metadataFile, TIMESTAMP_FILE } from '../layout.ts';
import { readDocument, readRoot } from '../make/documents.ts';
import type { EntryList, NetworkContent } from '../make/network-part.ts';
import type { SignedFile, Workshop } from '../make/propose.ts';
import type { TimestampJson } from '../metadata.ts';
import { roleOfPath } from '../roles.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import type { Storage } from '../storage/storage.ts';

const BUCKET_KEY_BYTES = 32;
const MAX_KEY_TEXT_BYTES = 256;
const MANAGED_FILE = 'managed';

/** All that is to be published, by the role that signs for it. */
export interface FolderContent {
  readonly network: NetworkContent;
  /** `releases` and partners: files by path. */
  readonly signed: ReadonlyMap<string, ReadonlyMap<string, SignedFile>>;
}

/** The folder of those who publish, for one program at a time. */
export class StateFolder implements Workshop, Disposable {
  readonly path: string;
  readonly storage: Storage;
  readonly pending: Storage;
  readonly #lock: FolderLock;

  private constructor(path: string, lock: FolderLock) {
    this.path = path;
    this.storage = createFolderStorage(join(path, 'public'));
    this.pending = createFolderStorage(join(path, 'pending'), { isPrivate: true });
    this.#lock = lock;
  }

  /** Opens the folder, and makes it if need be. Throws a `FolderError`. */
  static async open(path: string): Promise<StateFolder> {
    await createPrivateFolder(path);
    await expectPrivate(path);
    return new StateFolder(path, await lockFolder(path, 'publisher'));
  }

  /** Where a pending document lies. */
  pendingPath(file: string): string {
    return join(this.path, 'pending', file);
  }

  /** Root metadata as it was published: the newest, or the very first. Null before that. */
  async root(which: 'first' | 'newest'): Promise<Buffer | null> {
    if (which === 'first') return await this.storage.read(metadataFile('root', 1));
    return (await readRoot(this.storage))?.bytes ?? null;
  }

  /** The version of the timestamp that was published last; null before that. */
  async version(): Promise<number | null> {
    const bytes = await this.storage.read(TIMESTAMP_FILE);
    return bytes === null ? null : readDocument<TimestampJson>(bytes, 'timestamp').signed.version;
  }

  /** Whether a control plane publishes this folder: whoever else did would leave out its lists. */
  async isManaged(): Promise<boolean> {
    return (await readPrivateFile(join(this.path, MANAGED_FILE), 1)) !== null;
  }

  /** Writes down that a control plane publishes this folder. */
  async setManaged(): Promise<void> {
    if (!(await this.isManaged())) await writeFileAtomically(join(this.path, MANAGED_FILE), '');
  }

  /** Draws a key of an online role. */
  async drawOnlineKey(env: Pick<Env, 'random'>, role: string): Promise<PublicKey> {
    const folder = join(this.path, 'keys');
    await createPrivateFolder(folder);
    const taken = await namesIn(folder);
    let number = 1;
    while (taken.includes(`${role}-${number}.key`)) number++;
    return await createKeyFile(env.random, join(folder, `${role}-${number}.key`), { role });
  }

  /** All keys of online roles, those that are in use and others. */
  async onlineKeys(): Promise<SigningKey[]> {
    const folder = join(this.path, 'keys');
    const files = (await namesIn(folder)).filter((name) => name.endsWith('.key'));
    return await Promise.all(files.map((name) => readKeyFile(join(folder, name))));
  }

  /** What is to be published. A list without a key gets one. */
  async content(env: Pick<Env, 'random'>): Promise<FolderContent> {
    const files = await filesIn(join(this.path, 'files'), '');
    const byRole = new Map<string, Map<string, SignedFile>>();
    for (const path of files) {
      const role = roleOfPath(path);
      const own = byRole.get(role) ?? new Map<string, SignedFile>();
      own.set(path, { bytes: await readFile(join(this.path, 'files', path)) });
      byRole.set(role, own);
    }
    const network = byRole.get('network') ?? new Map<string, SignedFile>();
    byRole.delete('network');
    return { network: { files: network, lists: await this.#lists(env) }, signed: byRole };
  }

  async #lists(env: Pick<Env, 'random'>): Promise<EntryList[]> {
    const folder = join(this.path, 'lists');
    const names = (await namesIn(folder)).filter((name) => name.endsWith('.txt'));
    return await Promise.all(
      names.map(async (name) => {
        const key = await bucketKey(env, join(folder, name.replace(/\.txt$/, '.key')));
        return { key, entries: readEntries(await readFile(join(folder, name), 'utf8'), name) };
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#lock.release();
  }
}

async function bucketKey(env: Pick<Env, 'random'>, path: string): Promise<Buffer> {
  const text = await readPrivateFile(path, MAX_KEY_TEXT_BYTES);
  if (text === null) {
    const key = env.random.bytes(BUCKET_KEY_BYTES);
    await writeFileAtomically(path, `${encodeBase64url(key)}\n`);
    return key;
  }
  try {
    const key = decodeBase64url(text.toString('utf8').trim());
    if (key.length === BUCKET_KEY_BYTES) return key;
  } catch {
    // As any other text that is no key.
  }
  throw new PublicationError('key', `no key of a list is in the file: ${path}`);
}

function readEntries(text: string, name: string): Buffer[] {
  if (!/\S/.test(text.replace(/^#.*$/gm, ''))) return [];
  try {
    const entries = parseEntryText(text);
    for (const entry of entries) parseServerEntry(entry);
    return entries;
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new PublicationError('malformed', `lists/${name}: ${cause.message}`, { cause });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .toSorted();
}

async function filesIn(folder: string, prefix: string): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true }).catch(() => []);
  const found = entries
    .filter(({ name }) => !name.startsWith('.'))
    .map((entry) => (entry.isDirectory() ? filesIn(folder, `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`]));
  return (await Promise.all(found)).flat();
}
