/** What can go wrong with a relay, as far as its operator or its caller can do something about it. */
export type RelayErrorCode =
  /** There is no relay in the folder. */
  | 'folder-missing'
  /** There is a relay in the folder already. */
  | 'folder-exists'
  /** The folder's contents are not what they must be. */
  | 'folder-broken'
  /** The folder was written by a later version. */
  | 'folder-too-new'
  /** The file of unsynced handshakes takes no more. */
  | 'replay-file-full'
  /** The file of unsynced handshakes is closed, or could not be written. */
  | 'replay-file-failed'
  /** A relay is no sibling of its own. */
  | 'siblings-own'
  /** The relay has as many siblings as it may have. */
  | 'siblings-full'
  /** No sibling has that id. */
  | 'siblings-unknown'
  /** No relay answers at the folder's control socket. */
  | 'not-running'
  /** The control socket's peer did not keep to its format. */
  | 'control-malformed'
  /** The command is unknown, or failed. */
  | 'control-failed'
  /** What was given as a control plane is none that can be used. */
  | 'control-plane'
  /** The relay belongs to a network already. */
  | 'enrolled'
  /** The control plane did not answer, or with nothing of use. */
  | 'control-unreachable'
  /** The control plane has said no. */
  | 'control-refused'
  /** No certificate was to be had of an authority; see `AcmeError` for why. */
  | 'certificate'
  /** Another process of the relay did not answer. */
  | 'worker-silent'
  /** A stream's destination could not be reached; see `EgressError` for why. */
  | 'egress';

/** Every failure of this package. `remedy` says what a person can do. */
export class RelayError extends Error {
  readonly code: RelayErrorCode;
  readonly remedy: string | null;

  constructor(code: RelayErrorCode, message: string, options?: ErrorOptions & { readonly remedy?: string }) {
    super(message, options);
    this.name = 'RelayError';
    this.code = code;
    this.remedy = options?.remedy ?? null;
  }
}
