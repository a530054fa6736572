/** What can go wrong with connections, carriers, sessions and streams. */
export type TunnelErrorCode =
  /** The other side refused the connection. */
  | 'refused'
  /** No route, or the network is down. */
  | 'unreachable'
  /** Nothing came in time. */
  | 'timed-out'
  /** The connection ended by an error of another kind. */
  | 'failed'
  /** A transport's params are not what that transport takes. */
  | 'bad-params'
  /** The relay, authenticated, says that it does not know the session. */
  | 'unknown-session'
  /** The relay takes no new sessions. */
  | 'relay-busy'
  /** Another relay, authenticated, says that it does not forward to the home of the session, or cannot now. */
  | 'not-forwarded'
  /** The name of a relay's address does not resolve. */
  | 'name-not-found'
  /** The name of a relay's address resolves to addresses that no relay can have: the resolver lies. */
  | 'name-forged'
  /** The upstream proxy does not speak the language of such a proxy, or cannot be reached. */
  | 'proxy-failed'
  /** The upstream proxy does not connect to such places. */
  | 'proxy-denied'
  /** The upstream proxy wants a user name and a password, or others. */
  | 'proxy-login'
  /** The bytes are not those of the relay named in the entry. */
  | 'not-authentic'
  /** The session is over. */
  | 'session-closed'
  /** The peer broke the protocol. */
  | 'violation'
  /** The peer reset the stream; see `StreamResetError` for why. */
  | 'stream-reset';

/** Every failure of this package. */
export class TunnelError extends Error {
  readonly code: TunnelErrorCode;

  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TunnelError';
    this.code = code;
  }
}
