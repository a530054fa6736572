/** A stored file. */
export interface StoredFile {
  readonly name: string;
  /** When it was written last, in ms since 1970, by the storage's clock. */
  readonly writtenMs: number;
}

/**
 * Where a publication lies: a folder, a bucket, a table. Names are paths with slashes, of `A–Z a–z 0–9 . _ -`. Everything rejects with a
 * `PublicationError` (`storage`) where the storage does not do as it is asked.
 */
export interface Storage {
  /** The file's bytes, or null when there is none. */
  read(name: string): Promise<Buffer | null>;
  /** Writes a file as a whole: whoever reads it meanwhile gets the old one or the new one. It is safe when this resolves. */
  write(name: string, bytes: Buffer): Promise<void>;
  /** All files whose names begin with `prefix`. */
  list(prefix: string): Promise<StoredFile[]>;
  /** Removes a file; one that is not there is fine. */
  remove(name: string): Promise<void>;
}

const AT_ONCE = 16;

/** Does the work for all items, 16 at a time. */
export async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += AT_ONCE) {
    await Promise.all(items.slice(at, at + AT_ONCE).map(work));
  }
}
