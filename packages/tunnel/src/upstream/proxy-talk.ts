/** Where the proxy is to connect to: a literal address or a name, which the proxy then resolves. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

/** What a proxy wants to see. Never to be logged. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What follows from bytes of the proxy. */
export interface ProxyStep {
  /** To be sent to the proxy. */
  readonly send: Buffer | null;
  /** Bytes from the place behind the proxy, once it is connected; null before. */
  readonly leftover: Buffer | null;
}

/** A conversation with a proxy up to the moment when it has connected. */
export interface ProxyTalk {
  /** What is sent first. */
  start(): Buffer;
  /** Takes the next bytes from the proxy, in any pieces; not to be called again after it has given a leftover. Throws a `TunnelError`. */
  receive(chunk: Buffer): ProxyStep;
}
