import type { Env, Random } from './env.ts';
import type { Conn, DialOptions, Listener, SocketAddress } from './network.ts';
import type { CertificateOrder, Certificates } from './tls/certificates.ts';

/** What the rest of the system may ask about a transport, instead of its name. */
export interface TransportTraits {
  /** What a censor sees: nothing recognisable, or an imitated protocol. */
  readonly looksLike: 'nothing' | 'web' | 'other';
  /** Whether a stranger on this port must be met with silence (true) or is answered by the transport itself (false). */
  readonly silentToStrangers: boolean;
  /** Whether it has its connections from programs of others (`Env.programs`). */
  readonly runsPrograms?: boolean;
  /** Whether each of its connections is made of several of the network's, so that one process has to get them all. */
  readonly spansConnections?: boolean;
}

/**
 * One named way to dress a carrier. `Params` is what a client must know, as it stands in the server entry; `Settings` is what its
 * listener must know, as the relay keeps it. Both are plain objects that survive JSON.
 */
export interface Transport<Params = unknown, Settings = unknown> {
  readonly name: string;
  readonly traits: TransportTraits;
  /** What an operator may choose of a listener (`--listen NAME=HOST:PORT,option=value`): each option and what it takes. */
  readonly options: Readonly<Record<string, string>>;
  /** Makes the settings of a new listener; secrets are drawn here, once. Throws a `TunnelError` (`bad-params`) for options that are none. */
  createSettings(random: Random, options: Readonly<Record<string, string>>): Promise<Settings>;
  /** Checks settings that were stored. Throws a `TunnelError` (`bad-params`). */
  parseSettings(input: unknown): Settings;
  /** What clients must know of a listener with these settings. */
  paramsOf(settings: Settings): Params;
  /** The certificate that a listener with these settings wants of an authority; null, or no such function, for none. */
  certificateOrderOf?(settings: Settings): CertificateOrder | null;
  /** Checks params that came from outside before any packet is sent. Throws a `TunnelError` (`bad-params`). */
  parseParams(input: unknown): Params;
  /** Connects to one relay address and resolves once bytes can be exchanged. */
  dial(env: Env, options: TransportDialOptions<Params>): Promise<Conn>;
  /** Listens; every accepted and undressed connection goes to `onConn`. */
  listen(env: Env, options: TransportListenOptions<Settings>): Promise<Listener>;
}

/** What `dial` needs. */
export interface TransportDialOptions<Params> extends DialOptions {
  readonly address: SocketAddress;
  readonly params: Params;
}

/** What `listen` needs. */
export interface TransportListenOptions<Settings> {
  readonly address: SocketAddress;
  readonly settings: Settings;
  readonly onConn: (conn: Conn) => void;
  /** Where it finds the certificate that it has ordered. */
  readonly certificates?: Certificates | undefined;
}
