import type { Conn, Env, SocketAddress } from '@rozan/tunnel';
import type { Programs } from './programs.ts';

/** Where a server listens, and what a censor takes it for. */
export interface ServerPlace {
  /** Where it can be reached on this machine. */
  readonly actual: SocketAddress;
  /** The address and port on the internet that it stands for: rules look at these. */
  readonly seenAs: SocketAddress;
}

/** The way for one user: takes a server's place, and gives the address to connect to, behind which the censor stands. */
export type Route = (place: ServerPlace) => Promise<SocketAddress>;

/** One user's client, which runs. */
export interface SubjectClient extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the client says that it can carry something; at once where a program does not say. */
  ready(signal: AbortSignal): Promise<void>;
  /** Where its SOCKS proxy is, once it is ready. */
  socks(): SocketAddress;
  /** Connects to the lab's site through it. */
  connect(signal: AbortSignal): Promise<Conn>;
  /** Calls `listener` with what the client tells of itself from now on; programs of others tell nothing. */
  onEvent(listener: (event: ClientEvent) => void): void;
}

/** An event line of a client of ours. */
export interface ClientEvent {
  readonly event: string;
  readonly [member: string]: unknown;
}

/** A thing under test, whose server runs. */
export interface Subject {
  readonly name: string;
  readonly family: 'ours' | 'peer';
  /** Whether it picks among several transports. */
  readonly isAdaptive: boolean;
  /** Starts one user's client. It connects to nothing but what `route` gives. */
  startClient(programs: Programs, route: Route): Promise<SubjectClient>;
}

/** What subjects are started with. */
export interface SubjectWorld {
  readonly env: Env;
  /** For servers; they live as long as it. */
  readonly programs: Programs;
  /** A folder for keys and configurations. */
  readonly folder: string;
  /** Where the site is. */
  readonly site: SocketAddress;
  /** The address at which servers listen. */
  readonly serverHost: string;
  /** Listen at the ports that a censor shall see: where the address is one's own, as in a namespace. */
  readonly usesSeenPorts?: boolean;
}
