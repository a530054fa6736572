/** What can be wrong with a program's data folder. */
export type FolderErrorCode =
  /** Another program runs on the folder. */
  | 'folder-locked'
  /** Other users of the machine can read the folder or a file in it. */
  | 'folder-not-private'
  /** The folder's contents are not what they must be. */
  | 'folder-broken';

/** A data folder that cannot be used. `remedy` says what a person can do. */
export class FolderError extends Error {
  readonly code: FolderErrorCode;
  readonly remedy: string | null;

  constructor(code: FolderErrorCode, message: string, options?: ErrorOptions & { readonly remedy?: string }) {
    super(message, options);
    this.name = 'FolderError';
    this.code = code;
    this.remedy = options?.remedy ?? null;
  }
}
