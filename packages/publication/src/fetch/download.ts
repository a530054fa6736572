import { createHash } from 'node:crypto';
import { PublicationError } from '../errors.ts';
import { PART_BYTES } from '../limits.ts';
import type { Storage } from '../storage/storage.ts';
import type { MirrorConnection } from './mirror-connection.ts';

/** What is fetched, by what was signed of it. */
export interface Download {
  /** Its name at the mirrors. */
  readonly name: string;
  readonly length: number;
  readonly sha256: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches a file of known length and hash, from where the last attempt has stopped, be it at another mirror or before a restart. What was
 * received is in the store in parts, until the whole is checked. Rejects with a `PublicationError` (`damaged`, `unavailable`, …): after
 * `damaged` the next attempt begins anew.
 */
export async function download(mirror: MirrorConnection, store: Storage, file: Download): Promise<Buffer> {
  const parts = new Parts(store, file);
  const whole = Buffer.alloc(file.length);
  const begun = await parts.read(whole);
  const first = await fill(mirror, { file, whole, from: begun, parts });
  await parts.remove();
  if (first) return whole;
  // The beginning may be from a mirror that has sent something else: this one must not pay for it.
  const isRight = begun > 0 && (await fill(mirror, { file, whole, from: 0, parts }));
  await parts.remove();
  if (!isRight) throw new PublicationError('damaged', 'a file is not that which was signed for');
  return whole;
}

interface Filling {
  readonly file: Download;
  readonly whole: Buffer;
  readonly from: number;
  readonly parts: Parts;
}

/** Fetches what is missing, and says whether the whole is what was signed for. */
async function fill(mirror: MirrorConnection, { file, whole, from, parts }: Filling): Promise<boolean> {
  const { name, length, sha256, signal } = file;
  const saves: Promise<void>[] = [];
  let [filled, saved] = [from, from];
  const onBytes = (bytes: Buffer, at: number) => {
    filled = at + bytes.copy(whole, at);
    for (; filled - saved >= PART_BYTES; saved += PART_BYTES) {
      saves.push(parts.write(saved / PART_BYTES, whole.subarray(saved, saved + PART_BYTES)));
    }
  };
  try {
    const outcome = await mirror.get(name, { maxBytes: length, from, signal, onBytes });
    if (outcome === 'missing') throw new PublicationError('unavailable', 'the mirror lacks a file');
  } finally {
    await Promise.all(saves);
  }
  return filled === length && createHash('sha256').update(whole).digest('hex') === sha256;
}

/** Files `parts/HASH.NUMBER` of 64 KB each. */
class Parts {
  readonly #store: Storage;
  readonly #file: Download;

  constructor(store: Storage, file: Download) {
    this.#store = store;
    this.#file = file;
  }

  /** Fills the beginning of `whole` with what is there, and returns how much. */
  async read(whole: Buffer): Promise<number> {
    let filled = 0;
    while (filled + PART_BYTES < whole.length) {
      const part = await this.#store.read(this.#name(filled / PART_BYTES));
      if (part?.length !== PART_BYTES) break;
      filled += part.copy(whole, filled);
    }
    return filled;
  }

  write(index: number, bytes: Buffer): Promise<void> {
    return this.#store.write(this.#name(index), bytes);
  }

  async remove(): Promise<void> {
    const { length, sha256 } = this.#file;
    if (length < PART_BYTES) return;
    const left = await this.#store.list(`parts/${sha256}.`);
    for (const { name } of left) await this.#store.remove(name);
  }

  #name(index: number): string {
    return `parts/${this.#file.sha256}.${index}`;
  }
}
