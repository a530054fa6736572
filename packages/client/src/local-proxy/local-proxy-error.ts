/** Why the local proxies could not start. */
export type LocalProxyErrorCode =
  /** Another program listens at this address. */
  | 'port-in-use'
  /** The system does not let this user listen there (a port below 1024, as a rule). */
  | 'not-permitted'
  /** The address does not belong to this machine. */
  | 'no-such-address'
  /** Listening failed in another way; see `cause`. */
  | 'listen-failed';

/** A local proxy could not listen. The message says to a person what to do about it. */
export class LocalProxyError extends Error {
  readonly code: LocalProxyErrorCode;

  constructor(code: LocalProxyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalProxyError';
    this.code = code;
  }
}

const CODES: Readonly<Record<string, LocalProxyErrorCode>> = {
  EADDRINUSE: 'port-in-use',
  EACCES: 'not-permitted',
  EPERM: 'not-permitted',
  EADDRNOTAVAIL: 'no-such-address',
};

const REMEDIES: Readonly<Record<LocalProxyErrorCode, string>> = {
  'port-in-use': 'another program uses this port. Stop it, or choose another port (0 picks a free one)',
  'not-permitted': 'this user may not listen there. Choose a port of 1024 or above',
  'no-such-address': 'this machine does not have that address. 127.0.0.1 always works',
  'listen-failed': 'the system refused to listen there',
};

/** The system's error code (`EADDRINUSE`, …), which may hide under the errors of the layers between. */
function systemCodeOf(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 4 && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && current.code in CODES) return current.code;
    current = current.cause;
  }
  return undefined;
}

/** What is told when the `name` proxy (SOCKS, HTTP) cannot listen at `where`, which is the person's own setting and so may be named. */
export function listenError(error: unknown, name: string, where: string): LocalProxyError {
  const code = CODES[systemCodeOf(error) ?? ''] ?? 'listen-failed';
  return new LocalProxyError(code, `The ${name} proxy cannot listen at ${where}: ${REMEDIES[code]}.`, { cause: error });
}
