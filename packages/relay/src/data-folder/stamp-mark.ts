// Which stamps synced flights may have had that an earlier run of the relay accepted. Their replay memory is gone with that run, and the
// clock alone does not tell old stamps from new ones: it may have been set back between the runs, or by a step of the time service while
// clients still followed the old time. So the highest accepted stamp is on disk before its flight is answered.
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { RelayError } from './relay-error.ts';

/** The mark on disk runs ahead of the stamps by this, so that a busy relay writes it a few times a second and no more. */
const AHEAD_MS = 250;
const MAX_FILE_BYTES = 32;

/** The highest stamp that was accepted, kept in a file. */
export class StampMark {
  readonly #path: string;
  /** At least the highest stamp accepted before this run; refuse everything up to it. Negative infinity for a new relay. */
  readonly restoredMs: number;
  #writtenMs: number;
  #coveredMs: number;
  #wantedMs: number;
  #writing: Promise<void> | null = null;
  #isClosed = false;

  constructor(path: string, restoredMs: number) {
    this.#path = path;
    this.restoredMs = restoredMs;
    this.#writtenMs = restoredMs;
    this.#coveredMs = restoredMs;
    this.#wantedMs = restoredMs;
  }

  /** By how much the clock stands behind that of the last run, in milliseconds; 0 if it does not. */
  clockBehindMs(nowMs: number): number {
    return Math.max(0, Math.ceil(this.restoredMs - AHEAD_MS - nowMs));
  }

  /** Resolves once a later run is sure to refuse this stamp. Rejects when the disk does not take it, or after `close`. */
  async cover(stampMs: number): Promise<void> {
    if (this.#isClosed) throw new RelayError('replay-file-failed', 'a handshake could not be remembered');
    this.#coveredMs = Math.max(this.#coveredMs, stampMs);
    while (stampMs > this.#writtenMs) {
      this.#wantedMs = Math.max(this.#wantedMs, stampMs + AHEAD_MS);
      await this.#write();
    }
  }

  /** Writes the exact mark, so that the next run refuses no more than it must. Where that fails the higher one stays, which is safe. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing?.catch(() => undefined);
    if (this.#coveredMs === this.#writtenMs) return;
    this.#wantedMs = this.#coveredMs;
    await this.#write().catch(() => undefined);
  }

  /** Those who come together share one trip to the disk. */
  #write(): Promise<void> {
    this.#writing ??= this.#store(this.#wantedMs).finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #store(markMs: number): Promise<void> {
    try {
      await writeFileAtomically(this.#path, `${markMs}\n`);
      this.#writtenMs = markMs;
    } catch (cause) {
      throw new RelayError('replay-file-failed', 'a handshake could not be remembered', { cause });
    }
  }
}

/** Opens the mark at `path`, which need not exist. Throws a `RelayError` (`folder-not-private`, `folder-broken`). */
export async function openStampMark(path: string): Promise<StampMark> {
  const bytes = await readPrivateFile(path, MAX_FILE_BYTES);
  if (bytes === null) return new StampMark(path, Number.NEGATIVE_INFINITY);
  const text = bytes.toString('latin1');
  if (!/^\d{1,16}\n$/.test(text)) throw new RelayError('folder-broken', `${path} is not what a relay writes`);
  return new StampMark(path, Number(text));
}
