/** What can be wrong with bytes that came from outside. */
export type ProtocolErrorCode =
  /** The bytes end before the value does. */
  | 'truncated'
  /** A length, count or number is beyond its bound. */
  | 'out-of-bounds'
  /** The bytes do not follow the format. */
  | 'malformed'
  /** A signature or an authentication tag does not fit. */
  | 'not-authentic'
  /** A validity period is over or has not begun. */
  | 'expired'
  /** The peer broke a rule of the session, such as a flow-control limit. */
  | 'violation'
  /** A version or type that this implementation does not know. */
  | 'unsupported';

/** Every failure of this package. Toward a peer all of them look the same: silence. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;

  constructor(code: ProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProtocolError';
    this.code = code;
  }
}
