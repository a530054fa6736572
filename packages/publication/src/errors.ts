/** What can be wrong with a publication, or with getting at it. */
export type PublicationErrorCode =
  /** Not signed by as many keys as it takes, or by others. */
  | 'not-authentic'
  /** Older than what was seen already. */
  | 'rollback'
  /** Parts of different publications. */
  | 'inconsistent'
  /** Out of its time where that is not forgiven: root, releases. */
  | 'expired'
  /** Longer than it may be. */
  | 'too-large'
  /** It comes, but so slowly that it would never end. */
  | 'too-slow'
  /** Not what its form prescribes. */
  | 'malformed'
  /** Its length or hash is not the one that was signed. */
  | 'damaged'
  /** Nobody gave it: no mirror answered, or none had it. */
  | 'unavailable'
  /** It is not in the publication. */
  | 'not-found'
  /** The store could not be read or written. */
  | 'storage'
  /** A key is missing, or cannot be read or opened. */
  | 'key'
  /** Signatures of people are missing. */
  | 'unsigned'
  /** What was asked for contradicts what is there. */
  | 'conflict';

/** A failure of this package. Its text names files, roles and keys, and never a host. */
export class PublicationError extends Error {
  readonly code: PublicationErrorCode;
  /** What a person can do about it; null where there is nothing. */
  readonly remedy: string | null;

  constructor(
    code: PublicationErrorCode,
    message: string,
    options?: ErrorOptions & { readonly remedy?: string | null },
  ) {
    super(message, options);
    this.name = 'PublicationError';
    this.code = code;
    this.remedy = options?.remedy ?? null;
  }
}
