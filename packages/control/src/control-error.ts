/** What can go wrong with a control plane, as far as a person or a caller can do something about it. */
export type ControlErrorCode =
  /** No PostgreSQL for this machine came with the packages. */
  | 'database-missing'
  /** PostgreSQL did not start, or did not stay up. */
  | 'database-failed'
  /** The database was written by a later version. */
  | 'database-too-new'
  /** A backup is not what it must be, or does not fit where it is to go. */
  | 'backup-refused'
  /** The entry key of the folder is not the network's. */
  | 'entry-key'
  /** No control plane answers at the folder's address. */
  | 'not-running'
  /** The control plane refused what was asked. */
  | 'refused';

/** A failure of this package that a person can mend. `remedy` says how. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;
  readonly remedy: string | null;

  constructor(code: ControlErrorCode, message: string, options?: ErrorOptions & { readonly remedy?: string }) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
    this.remedy = options?.remedy ?? null;
  }
}
