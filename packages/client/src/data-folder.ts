import { access, chmod, constants, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { MemoryStore } from './establish/way-memory.ts';
import { MAX_ENTRIES_FILE_BYTES, MOST_ADDED_FILES } from './limits.ts';

const ENTRIES_FILE = 'entries.txt';
const BRAND_FILE = 'brand.json';
const BOOK_FILE = 'entries.json';
const ADDED_FOLDER = 'added';
const MEMORY_FILE = 'ways.json';
const TACTICS_FILE = 'tactics.json';
const SETTINGS_FILE = 'settings.json';
const APP_LINK_FILE = 'app-link';
const APP_PAGE_FILE = 'open-app.html';
const SYSTEM_PROXY_FILE = 'system-proxy.json';

/** Share links that were put into the folder by one call. */
export interface AddedFile {
  readonly name: string;
  readonly links: readonly string[];
}

/** Where a client keeps its entries, and what it has learnt of ways to them: a folder for its user alone (0700), written atomically. */
export class ClientFolder {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Opens the folder, making it when it is missing. Throws a `ProgramError`. */
  static async open(path: string): Promise<ClientFolder> {
    try {
      // Only a folder that is new gets its mode: somebody else's, named by mistake, must stay as it is.
      const created = await mkdir(path, { recursive: true, mode: 0o700 });
      if (created !== undefined) await chmod(path, 0o700);
      await access(path, constants.W_OK);
    } catch (cause) {
      throw new ProgramError(EXIT_CODE.dataFolder, `the data folder cannot be used: ${path}`, {
        cause,
        remedy: 'Choose a folder that belongs to you with --data DIR.',
      });
    }
    return new ClientFolder(path);
  }

  /** The path of the stored entries, or null when there are none. */
  async storedEntries(): Promise<string | null> {
    const path = join(this.#path, ENTRIES_FILE);
    return readFile(path).then(
      () => path,
      () => null,
    );
  }

  /** Stores entries for the next start, in place of those before. */
  async storeEntries(links: readonly string[]): Promise<void> {
    await this.#replace(ENTRIES_FILE, `${links.join('\n')}\n`);
  }

  /** Where a client's things are that was not told a folder. */
  static usualPath(): string {
    return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'rozan', 'client');
  }

  /** The brand file that was kept; null without. */
  async storedBrand(): Promise<Buffer | null> {
    return readFile(join(this.#path, BRAND_FILE)).catch(() => null);
  }

  /** Keeps a brand file for the next start. */
  async storeBrand(bytes: Buffer): Promise<void> {
    await this.#replace(BRAND_FILE, bytes);
  }

  /** Where the entries of a client with a brand are kept. */
  get book(): MemoryStore {
    return this.#storeIn(BOOK_FILE);
  }

  /** A folder for what was fetched of the publication. */
  get publicationPath(): string {
    return join(this.#path, 'publication');
  }

  /**
   * Puts share links where the client that runs on this folder, or its next start, finds them. Each call has a file of its own, so that two at the
   * same moment do not undo each other, and one that is killed leaves nothing or everything.
   */
  async addLinks({ random }: Pick<Env, 'random'>, links: readonly string[]): Promise<void> {
    await mkdir(join(this.#path, ADDED_FOLDER), { recursive: true, mode: 0o700 });
    const name = `${random.bytes(8).toString('hex')}.txt`;
    await this.#replace(join(ADDED_FOLDER, name), links.map((link) => `${link}\n`).join(''));
  }

  /** What people have put there, a bounded part of it at a time. */
  async addedFiles(): Promise<AddedFile[]> {
    const names = await readdir(join(this.#path, ADDED_FOLDER)).catch(() => []);
    const files = names.filter((name) => name.endsWith('.txt')).slice(0, MOST_ADDED_FILES);
    const read = await Promise.all(
      files.map(async (name) => {
        const text = await readFile(join(this.#path, ADDED_FOLDER, name), 'utf8').catch(() => null);
        const lines = text?.slice(0, MAX_ENTRIES_FILE_BYTES).split('\n') ?? [];
        return text === null ? [] : { name, links: lines.filter((line) => line !== '') };
      }),
    );
    return read.flat();
  }

  /** What this file holds is known by now. */
  async forgetAdded({ name }: Pick<AddedFile, 'name'>): Promise<void> {
    await rm(join(this.#path, ADDED_FOLDER, name), { force: true });
  }

  /** Where what was learnt of ways to relays is kept. */
  get memory(): MemoryStore {
    return this.#storeIn(MEMORY_FILE);
  }

  /** Where the last tactics are kept. */
  get tactics(): MemoryStore {
    return this.#storeIn(TACTICS_FILE);
  }

  /** Where the settings of the person who uses it are kept. */
  get settings(): MemoryStore {
    return this.#storeIn(SETTINGS_FILE);
  }

  /** Where it is kept what the system's proxy was before it was ours. */
  get systemProxy(): MemoryStore {
    return this.#storeIn(SYSTEM_PROXY_FILE);
  }

  /** Where the URL lies by which its user, and nobody else, can open the app. */
  get appLink(): MemoryStore {
    return this.#storeIn(APP_LINK_FILE);
  }

  /** Keeps a page for a browser that opens files; gives its path. */
  async storeAppPage(page: string): Promise<string> {
    await this.#replace(APP_PAGE_FILE, page);
    return join(this.#path, APP_PAGE_FILE);
  }

  /** Writing replaces the file, one write after the other. */
  #storeIn(name: string): MemoryStore {
    let lastWrite: Promise<void> = Promise.resolve();
    return {
      read: () => readFile(join(this.#path, name), 'utf8').catch(() => null),
      write: (text) => {
        const write = () => this.#replace(name, text);
        lastWrite = lastWrite.then(write, write);
        return lastWrite;
      },
    };
  }

  async #replace(name: string, text: string | Buffer): Promise<void> {
    const path = join(this.#path, name);
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }
}
