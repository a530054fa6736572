import { formatAddress } from '../address.ts';
import type { Clock } from '../env.ts';
import { TunnelError } from '../errors.ts';
import type {
  Conn,
  DatagramSocket,
  DialOptions,
  Listener,
  LocalListener,
  Network,
  OnDatagram,
  SocketAddress,
} from '../network.ts';
import { type CensorRule, watchConnection } from './memory-censor.ts';
import { MemoryDatagrams } from './memory-datagrams.ts';
import type { Activity, CutKind, MemoryLaneOptions } from './memory-lane.ts';
import { createMemoryPair, type MemoryPair, type MemoryPairOptions } from './memory-pipe.ts';

/** A connection of a `MemoryNetwork` that is still open at one end at least. */
export interface MemoryConnection extends MemoryPair {
  /** Where it was dialled to; for a local socket its path. */
  readonly address: string;
}

/** How a `MemoryNetwork` behaves; see `MemoryLaneOptions` for what is not said here. */
export interface MemoryNetworkOptions extends Pick<MemoryLaneOptions, 'latencyMs' | 'windowBytes' | 'maxChunkBytes'> {
  /** Bytes per millisecond that all connections together get in each direction, on their way to where they were dialled and back. */
  readonly bytesPerMs?: number | undefined;
  /** Bytes per millisecond that each connection gets for itself in each direction; not together with `bytesPerMs`. */
  readonly throttleBytesPerMs?: number | undefined;
  /** Somebody in between, by whose rule every connection is cut. */
  readonly censor?: CensorRule | undefined;
  /** With a `ManualClock`, the network has it wait for deliveries. */
  readonly clock: Clock & { watch?(isBusy: () => boolean): void };
}

type Accept = (conn: Conn) => void;

type Obstacle = 'refuse' | 'blackhole' | 'ignore';

/** The first port that is given out where 0 is asked for. */
const FIRST_FREE_PORT = 40_000;

/** Where a client seems to be, unless it dials through `from`. */
const DEFAULT_CLIENT = '127.0.0.1';

/** A line for each direction; none without a rate. */
function linesOf(bytesPerMs: number | undefined): MemoryPairOptions['lines'] {
  if (bytesPerMs === undefined) return undefined;
  const line = () => ({ bytesPerMs, freeAtMs: 0 });
  return { toServer: line(), toClient: line() };
}

/** The network as it is for tests: in one process, without sockets, and at the test's mercy. */
export class MemoryNetwork implements Network {
  readonly #options: MemoryNetworkOptions;
  readonly #activity: Activity = { pending: 0 };
  readonly #listeners = new Map<string, Accept>();
  readonly #obstacles = new Map<string, Obstacle>();
  readonly #connections = new Set<MemoryConnection>();
  readonly #datagrams: MemoryDatagrams;
  readonly #lines: MemoryPairOptions['lines'];
  #nextPort = FIRST_FREE_PORT;
  #closedBytes = 0;

  constructor(options: MemoryNetworkOptions) {
    this.#options = options;
    this.#datagrams = new MemoryDatagrams({
      deliver: (arrive) => this.#after(options.latencyMs ?? 0, arrive),
      isOpen: (place) => !this.#obstacles.has(place),
      nextPort: () => this.#nextPort++,
    });
    this.#lines = linesOf(options.bytesPerMs);
    options.clock.watch?.(() => this.#activity.pending > 0);
  }

  /** Connections of which at least one end is not closed, oldest first. */
  get connections(): readonly MemoryConnection[] {
    return [...this.#connections];
  }

  /** Bytes delivered so far, in both directions and over all connections. */
  get bytesDelivered(): number {
    let sum = this.#closedBytes;
    for (const connection of this.#connections) sum += connection.bytesToClient + connection.bytesToServer;
    return sum;
  }

  /** Places where somebody listens. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** From now on nobody seems to listen there; datagrams to it are lost. */
  refuse(address: SocketAddress): void {
    this.#obstacles.set(formatAddress(address), 'refuse');
  }

  /** From now on connecting there works, but nothing passes; on connections that are open neither. */
  blackhole(address: SocketAddress): void {
    this.#obstruct(address, 'blackhole');
  }

  /** From now on connecting there gets no answer at all, and nothing passes on connections that are open. */
  ignore(address: SocketAddress): void {
    this.#obstruct(address, 'ignore');
  }

  /** Takes away what `refuse`, `blackhole` or `ignore` has put there; bytes held back go on. */
  restore(address: SocketAddress): void {
    const place = formatAddress(address);
    this.#obstacles.delete(place);
    for (const connection of this.#connections) if (connection.address === place) connection.setStalled(false);
  }

  /** Does the same to all open connections; later ones are not concerned. */
  cutAll(kind: CutKind): void {
    for (const connection of this.#connections) connection.cut(kind);
  }

  /** The same network as seen from another client address. */
  from(host: string): Network {
    return {
      dial: (address, options) =>
        this.#dial({ place: formatAddress(address), server: address.host, client: host }, options),
      listen: (address, onConn) => this.listen(address, onConn),
      bindDatagrams: (address, onDatagram) => this.bindDatagrams(address, onDatagram),
      dialLocal: (path, options) => this.dialLocal(path, options),
      listenLocal: (path, onConn) => this.listenLocal(path, onConn),
    };
  }

  dial(address: SocketAddress, options?: DialOptions): Promise<Conn> {
    return this.#dial({ place: formatAddress(address), server: address.host, client: DEFAULT_CLIENT }, options);
  }

  async bindDatagrams(address: SocketAddress, onDatagram: OnDatagram): Promise<DatagramSocket> {
    return this.#datagrams.bind(address, onDatagram);
  }

  /** UDP sockets that are open. */
  get datagramSocketCount(): number {
    return this.#datagrams.size;
  }

  dialLocal(path: string, options?: DialOptions): Promise<Conn> {
    return this.#dial({ place: path, server: undefined, client: undefined }, options);
  }

  async listen(address: SocketAddress, onConn: Accept): Promise<Listener> {
    const bound = { host: address.host, port: address.port === 0 ? this.#nextPort++ : address.port };
    return { address: bound, close: this.#open(formatAddress(bound), onConn) };
  }

  async listenLocal(path: string, onConn: Accept): Promise<LocalListener> {
    return { path, close: this.#open(path, onConn) };
  }

  /** Returns what closes the place again. */
  #open(place: string, onConn: Accept): () => Promise<void> {
    if (this.#listeners.has(place)) throw new TunnelError('failed', 'cannot listen: EADDRINUSE');
    this.#listeners.set(place, onConn);
    return async () => {
      if (this.#listeners.get(place) === onConn) this.#listeners.delete(place);
    };
  }

  #obstruct(address: SocketAddress, obstacle: Obstacle): void {
    const place = formatAddress(address);
    this.#obstacles.set(place, obstacle);
    for (const connection of this.#connections) if (connection.address === place) connection.setStalled(true);
  }

  async #dial(route: Route, options: DialOptions = {}): Promise<Conn> {
    const { signal } = options;
    await this.#travel(signal);
    const obstacle = this.#obstacles.get(route.place);
    if (obstacle === 'ignore') await never(signal);
    const accept = this.#findListener(route.place);
    const isRefused = obstacle === 'refuse' || accept === undefined;
    const connection = isRefused ? null : this.#connect(route, accept);
    if (obstacle === 'blackhole') connection?.setStalled(true);
    try {
      await this.#travel(signal);
    } catch (error) {
      connection?.client.destroy();
      throw error;
    }
    if (connection === null) throw new TunnelError('refused', 'the connection failed: ECONNREFUSED');
    return connection.client;
  }

  /** A listener of that very place, or one of all addresses with that port. */
  #findListener(place: string): Accept | undefined {
    const port = place.slice(place.lastIndexOf(':') + 1);
    return this.#listeners.get(place) ?? this.#listeners.get(`0.0.0.0:${port}`) ?? this.#listeners.get(`[::]:${port}`);
  }

  #connect(route: Route, accept: Accept): MemoryConnection {
    const { clock, latencyMs, windowBytes, maxChunkBytes, throttleBytesPerMs } = this.#options;
    const { censor } = this.#options;
    const inspect = censor && watchConnection(clock, censor, (how) => pair.cut(how));
    const pair: MemoryPair = createMemoryPair({
      inspect,
      clock,
      latencyMs,
      windowBytes,
      maxChunkBytes,
      lines: this.#lines ?? linesOf(throttleBytesPerMs),
      activity: this.#activity,
      clientAddress: route.client,
      serverAddress: route.server,
    });
    const connection: MemoryConnection = Object.assign(pair, { address: route.place });
    this.#connections.add(connection);
    const onClose = () => {
      if (connection.isOpen || !this.#connections.delete(connection)) return;
      this.#closedBytes += connection.bytesToClient + connection.bytesToServer;
    };
    connection.client.once('close', onClose);
    connection.server.once('close', onClose);
    accept(connection.server);
    return connection;
  }

  /** One way through the network, and at least one turn of the event loop. Rejects with the signal's reason. */
  #travel(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      let cancel: () => void;
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const arrive = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      cancel = this.#after(this.#options.latencyMs ?? 0, arrive);
    });
  }

  #after(delayMs: number, callback: () => void): () => void {
    if (delayMs > 0) return this.#options.clock.setTimer(delayMs, callback);
    this.#activity.pending++;
    let isCancelled = false;
    setImmediate(() => {
      this.#activity.pending--;
      if (!isCancelled) callback();
    });
    return () => {
      isCancelled = true;
    };
  }
}

interface Route {
  readonly place: string;
  readonly server: string | undefined;
  readonly client: string | undefined;
}

/** Rejects with the signal's reason, and does nothing else. */
function never(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
