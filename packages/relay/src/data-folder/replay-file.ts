// The unsynced handshakes of the last day (DESIGN §3.2 "Replays"; docs/spec/wire.md): whole entries of a fixed size, one behind the other,
// in the order in which they came. An entry is on the disk before its handshake is answered. What a killed process leaves behind is a file
// whose last entry may be torn; that one was never answered, and is left out.
import { type FileHandle, open } from 'node:fs/promises';
import { decodeReplayEntries, encodeReplayEntry, REPLAY_ENTRY_BYTES, type ReplayEntry } from '@rozan/protocol';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { REPLAY_FILE_BOUNDS } from '../limits/constants.ts';
import { RelayError } from './relay-error.ts';

/** What the file needs of `ReplayMemory`. */
export interface PersistentMemory {
  restore(entries: Iterable<ReplayEntry>, nowMs: number): void;
  persistent(): Iterable<ReplayEntry>;
}

/** How `openReplayFile` goes about it. */
export interface ReplayFileOptions {
  readonly memory: PersistentMemory;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly maxEntries?: number | undefined;
}

interface Pending {
  readonly bytes: Buffer;
  readonly written: PromiseWithResolvers<void>;
}

function failed(cause?: unknown): RelayError {
  return new RelayError('replay-file-failed', 'a handshake could not be remembered', { cause });
}

/** An open file of unsynced handshakes. Writes that come together share one trip to the disk. */
export class ReplayFile {
  readonly #path: string;
  readonly #memory: PersistentMemory;
  readonly #maxEntries: number;
  #handle: FileHandle;
  #count: number;
  #queue: Pending[] = [];
  #work: Promise<void> = Promise.resolve();
  #isScheduled = false;
  #isClosed = false;

  constructor(path: string, handle: FileHandle, options: ReplayFileOptions & { readonly count: number }) {
    this.#path = path;
    this.#handle = handle;
    this.#memory = options.memory;
    this.#maxEntries = options.maxEntries ?? REPLAY_FILE_BOUNDS.entries;
    this.#count = options.count;
  }

  /** Entries in the file; some may be past their time. */
  get count(): number {
    return this.#count;
  }

  /**
   * Resolves once the entry is on the disk. If it rejects (`replay-file-full`, `replay-file-failed`), the handshake must not be answered.
   */
  append(entry: ReplayEntry): Promise<void> {
    if (this.#isClosed) return Promise.reject(failed());
    if (this.#queue.length >= REPLAY_FILE_BOUNDS.queued) return Promise.reject(this.#full());
    const written = Promise.withResolvers<void>();
    this.#queue.push({ bytes: encodeReplayEntry(entry), written });
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#inTurn(() => this.#flush()).catch(() => undefined);
    }
    return written.promise;
  }

  /** Rewrites the file with what the memory still holds. Rejects if that fails; then the old file stays in use. */
  compact(): Promise<void> {
    return this.#inTurn(() => this.#rewrite());
  }

  /** Writes what waits, and closes the file. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#inTurn(() => this.#handle.close());
  }

  /** One thing after the other, whatever becomes of each. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#work.then(task);
    this.#work = done.catch(() => undefined);
    return done;
  }

  /** Never rejects: each entry gets its own answer. */
  async #flush(): Promise<void> {
    this.#isScheduled = false;
    const batch = this.#queue;
    this.#queue = [];
    try {
      if (this.#count + batch.length > this.#maxEntries) await this.#rewrite();
      const accepted = batch.slice(0, Math.max(0, this.#maxEntries - this.#count));
      await this.#write(accepted.map(({ bytes }) => bytes));
      for (const { written } of accepted) written.resolve();
      for (const { written } of batch.slice(accepted.length)) written.reject(this.#full());
    } catch (cause) {
      for (const { written } of batch) written.reject(failed(cause));
    }
  }

  /** Writes at the end of the whole entries, so that the next try writes over what a failed one has left. */
  async #write(entries: readonly Buffer[]): Promise<void> {
    if (entries.length === 0) return;
    const bytes = Buffer.concat(entries);
    const start = this.#count * REPLAY_ENTRY_BYTES;
    for (let offset = 0; offset < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, offset, bytes.length - offset, start + offset);
      offset += bytesWritten;
    }
    await this.#handle.datasync();
    this.#count += entries.length;
  }

  async #rewrite(): Promise<void> {
    const count = await rewriteFile(this.#path, this.#memory);
    const handle = await open(this.#path, 'r+');
    await this.#handle.close();
    this.#handle = handle;
    this.#count = count;
  }

  #full(): RelayError {
    return new RelayError('replay-file-full', 'no more unsynced handshakes can be remembered now');
  }
}

/** Writes what the memory holds, and gives the number of entries. */
async function rewriteFile(path: string, memory: PersistentMemory): Promise<number> {
  const entries = Array.from(memory.persistent(), encodeReplayEntry);
  await writeFileAtomically(path, Buffer.concat(entries));
  return entries.length;
}

/**
 * Restores the memory from the file at `path`, which need not exist, rewrites the file with what is still of use, and keeps it open.
 * Throws a `RelayError` (`folder-not-private`, `folder-broken`) or what the file system says.
 */
export async function openReplayFile(path: string, options: ReplayFileOptions): Promise<ReplayFile> {
  const { memory, nowMs } = options;
  const bytes = await readPrivateFile(path, 2 * REPLAY_FILE_BOUNDS.entries * REPLAY_ENTRY_BYTES);
  memory.restore(decodeReplayEntries(bytes ?? Buffer.alloc(0)), nowMs);
  const count = await rewriteFile(path, memory);
  return new ReplayFile(path, await open(path, 'r+'), { ...options, count });
}
