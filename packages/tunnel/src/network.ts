import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import {
  connect,
  createServer,
  isIP,
  type ListenOptions,
  type NetConnectOpts,
  type Server,
  Socket,
  type SocketConstructorOpts,
  type TcpNetConnectOpts,
} from 'node:net';
import type { Duplex } from 'node:stream';
import { TunnelError, type TunnelErrorCode } from './errors.ts';
import { createSharedReads, type SharedReads } from './shared-reads.ts';
import { inPlaceOfStaleSocket } from './stale-socket.ts';

/** A place to connect to or to listen at. `host` is a literal IPv4 or IPv6 address without brackets: names are resolved before. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Takes bytes that are only lent for the duration of the call. */
export type BorrowedReader = (bytes: Buffer) => boolean;

/** What a connection can do beyond `Duplex`. All of it is optional, so that any `Duplex` is a `Conn`. */
export interface ConnExtras {
  /** Ends the connection so that the peer sees an error and not an end (TCP: RST). Falls back to `destroy()` where missing. */
  resetAndDestroy?(): unknown;
  /**
   * A faster way to read than `data` events: from now on what arrives goes to `reader`, in a buffer that is overwritten when it returns.
   * False from the reader pauses, as does `pause()`; `resume()` goes on. `null` gives the bytes back to the stream. The end, errors and
   * `close` are told by events as ever.
   */
  borrowReads?(reader: BorrowedReader | null): void;
  /** Whether nobody looks at a written chunk any more once its write callback has run, so that its memory may be given back. */
  readonly forgetsWrites?: boolean;
  /** Bytes that may wait in it, those of `writableLength` included, before its writer should wait for `drain`; negative when there are too many already. */
  readonly roomBytes?: number;
  /** Writes bytes that are only lent for the duration of the call; otherwise like `write`. */
  writeBorrowed?(bytes: Buffer): boolean;
  /** Takes back a chunk of a `data` event that nobody will look at again. Not calling it is allowed. */
  releaseRead?(bytes: Buffer): void;
  /**
   * Gives a connection back to its transport, before anything was written to it: it has not shown that it is a client of ours, and the transport
   * treats it as what the transport imitates treats anyone. Without this, strangers are read and never answered.
   */
  decline?(): void;
  /** The peer's address; for limits and country look-ups in memory only, never to be logged. */
  readonly remoteAddress?: string | undefined;
}

/** A reliable byte stream in both directions with half-close. At every seam it is Node's `Duplex`, opened with `allowHalfOpen`. */
export type Conn = Duplex & ConnExtras;

/** A place where connections arrive. */
export interface Listener {
  /** Where it listens, with the port that was picked if 0 was asked for. */
  readonly address: SocketAddress;
  /** Stops listening; connections already accepted stay. */
  close(): Promise<void>;
}

/** A Unix socket or Windows named pipe where connections arrive. */
export interface LocalListener {
  readonly path: string;
  /** Stops listening and removes the socket's file; connections already accepted stay. */
  close(): Promise<void>;
}

/** Takes a datagram, which is the receiver's to keep, and its sender. */
export type OnDatagram = (bytes: Buffer, from: SocketAddress) => void;

/** A UDP socket of this machine, connected to nobody. */
export interface DatagramSocket {
  /** Where it is bound, with the port that was picked if 0 was asked for. */
  readonly address: SocketAddress;
  /**
   * Sends a datagram to a literal address, or drops it: because too many wait, the address cannot be reached, or the socket is
   * closed. False where that is known at once. The bytes must not be changed afterwards.
   */
  send(bytes: Buffer, to: SocketAddress): boolean;
  /** Closes it; what waits is dropped. Calling it again does nothing. */
  close(): void;
}

/** How `dial` is bounded. */
export interface DialOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What a listener is told besides its connections. */
export interface ListenHooks {
  /**
   * A connection could not be accepted; listening goes on. Not told when the process is out of file descriptors: the runtime then
   * closes what it cannot accept, so a listener that must not hang up on strangers has to keep its own count.
   */
  readonly onAcceptError?: ((error: TunnelError) => void) | undefined;
}

/** The only door to sockets: real, in memory, or censored (the lab). */
export interface Network {
  /** Connects. Rejects with a `TunnelError` (`refused`, `unreachable`, `timed-out`, `failed`) or with the signal's reason. */
  dial(address: SocketAddress, options?: DialOptions): Promise<Conn>;
  /** Listens; `onConn` gets each accepted connection, which it then owns (it must attach an error listener at once). */
  listen(address: SocketAddress, onConn: (conn: Conn) => void, hooks?: ListenHooks): Promise<Listener>;
  /** Opens a UDP socket. Rejects with a `TunnelError` (`failed`, `unreachable` where the machine lacks the IP version). */
  bindDatagrams(address: SocketAddress, onDatagram: OnDatagram): Promise<DatagramSocket>;
  /** Connects to a Unix socket or named pipe of this machine. Rejects like `dial`. */
  dialLocal(path: string, options?: DialOptions): Promise<Conn>;
  /**
   * Listens on a Unix socket (mode 0600) or named pipe. A socket file on which nobody answers is replaced;
   * any other file, or one on which somebody answers, makes it reject with a `TunnelError` (`failed`).
   */
  listenLocal(path: string, onConn: (conn: Conn) => void, hooks?: ListenHooks): Promise<LocalListener>;
}

/** What the kernel is asked to hold for a UDP socket, each way; it may give less. */
const DATAGRAM_BUFFER_BYTES = 1024 * 1024;

/** Datagrams, in bytes, that wait in front of a full kernel buffer; more are dropped. */
const MAX_WAITING_DATAGRAM_BYTES = 256 * 1024;

/** Connections that may wait to be accepted; the kernel may allow fewer. */
const LISTEN_BACKLOG = 4096;

/** Mode bits that a local socket's file must not have. */
const LOCAL_SOCKET_UMASK = 0o177;

/** Options that every socket gets. */
const SOCKET_OPTIONS = { allowHalfOpen: true, noDelay: true, keepAlive: false } as const;

const ERROR_CODES: ReadonlyMap<string, TunnelErrorCode> = new Map<string, TunnelErrorCode>([
  ['ECONNREFUSED', 'refused'],
  ['ENOENT', 'refused'],
  ['ENETUNREACH', 'unreachable'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETDOWN', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['EAFNOSUPPORT', 'unreachable'],
  ['EACCES', 'unreachable'],
  ['EPERM', 'unreachable'],
  ['ETIMEDOUT', 'timed-out'],
]);

/** The IP version of a literal address without brackets, or 0 if `host` is none. */
export function ipVersion(host: string): 0 | 4 | 6 {
  const version = isIP(host);
  return version === 4 || version === 6 ? version : 0;
}

/** The same error without what could tell an address: Node puts them into its messages and properties. */
export function toTunnelError(error: unknown): TunnelError {
  if (error instanceof TunnelError) return error;
  const errno = errnoOf(error);
  const code = ERROR_CODES.get(errno) ?? 'failed';
  return new TunnelError(code, `the connection failed: ${errno}`);
}

function errnoOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}

/** The network of this machine, on Node. `createEnv` knows what to take where this process runs on something else. */
export function createNetwork(): Network {
  // Its types know only a handle of their own making; any handle that a socket had will do.
  const reads = createSharedReads((options) => prepareConn(new Socket(options as unknown as SocketConstructorOpts)));
  return {
    dial: (address, options) => dial(reads, address, options),
    listen: (address, onConn, hooks) => listen(address, (socket) => onConn(reads.adopt(prepareConn(socket))), hooks),
    bindDatagrams,
    dialLocal,
    listenLocal,
  };
}

async function dial(reads: SharedReads, address: SocketAddress, options: DialOptions = {}): Promise<Conn> {
  const { onread, attach } = reads.forSocket();
  return await openTcp({ ...address, onread }, options.signal, (socket) => attach(prepareConn(socket)));
}

/** Connects, and gives what `onOpen` makes of the socket at once. Rejects as `dial` does. */
export async function openTcp<Opened>(
  options: SocketAddress & { onread?: TcpNetConnectOpts['onread'] },
  signal: AbortSignal | undefined,
  onOpen: (socket: Socket) => Opened,
): Promise<Opened> {
  if (ipVersion(options.host) === 0) throw new TunnelError('failed', 'not a literal IP address');
  return await openSocket({ ...options, ...SOCKET_OPTIONS, autoSelectFamily: false }, signal, onOpen);
}

async function dialLocal(path: string, options: DialOptions = {}): Promise<Conn> {
  return await openSocket({ path, allowHalfOpen: true }, options.signal, prepareLocalConn);
}

function openSocket<Opened>(
  options: NetConnectOpts,
  signal: AbortSignal | undefined,
  onOpen: (socket: Socket) => Opened,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const socket = connect(options);
    const settle = () => {
      socket.off('error', onError);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = () => {
      settle();
      socket.on('error', ignoreError);
      socket.destroy();
      reject(signal?.reason);
    };
    const onError = (error: Error) => {
      settle();
      reject(toTunnelError(error));
    };
    socket.once('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      settle();
      try {
        resolve(onOpen(socket));
      } catch (error) {
        socket.destroy();
        reject(error);
      }
    });
  });
}

/** An owner that has not yet attached its own listener must not let a reset end the process; it sees `close` all the same. */
function ignoreError(): void {}

function prepareConn(socket: Socket): Conn {
  socket.on('error', ignoreError);
  socket.resetAndDestroy = resetSocket;
  return socket;
}

/** A local socket knows no reset, and Node's method throws on it. */
function prepareLocalConn(socket: Socket): Conn {
  socket.on('error', ignoreError);
  socket.resetAndDestroy = () => socket.destroy();
  return socket;
}

/**
 * Node's own method fails, and leaves the handle open, while the kernel is being told of a clean end.
 * That is over within one turn of the event loop, so the reset waits for it.
 */
function resetSocket(this: Socket): Socket {
  if (this.destroyed) return this;
  const isEnding = this.writableEnded && !this.writableFinished && this.writableLength === 0;
  if (!isEnding) return Socket.prototype.resetAndDestroy.call(this);
  return this.once('finish', () => {
    if (!this.destroyed) Socket.prototype.resetAndDestroy.call(this);
  });
}

async function listen(
  address: SocketAddress,
  onSocket: (socket: Socket) => void,
  hooks: ListenHooks = {},
): Promise<Listener> {
  const { host, port } = address;
  if (ipVersion(host) === 0) throw new TunnelError('failed', 'not a literal IP address');
  const server = createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, onSocket);
  await startServer(server, { host, port, backlog: LISTEN_BACKLOG }, hooks);
  const bound = server.address();
  const boundPort = bound !== null && typeof bound === 'object' ? bound.port : port;
  return { address: { host, port: boundPort }, close: () => closeServer(server) };
}

async function listenLocal(
  path: string,
  onConn: (conn: Conn) => void,
  hooks: ListenHooks = {},
): Promise<LocalListener> {
  const accept = (socket: Socket) => onConn(prepareLocalConn(socket));
  const start = async () => {
    const server = createServer({ allowHalfOpen: true }, accept);
    // A worker of a cluster would have its primary listen, with the primary's mask.
    await startServer(server, { path, backlog: LISTEN_BACKLOG, exclusive: true }, hooks);
    return server;
  };
  const server = await start().catch(async (error: unknown) => {
    if (!(error instanceof TunnelError) || errnoOf(error.cause) !== 'EADDRINUSE') throw error;
    return await inPlaceOfStaleSocket({ path, inUse: error, dial: () => dialLocal(path).catch(toTunnelError), start });
  });
  return { path, close: () => closeServer(server) };
}

/** Rejects with a `TunnelError` whose cause is Node's error: the address is this machine's own and may be shown. */
function startServer(server: Server, options: ListenOptions, hooks: ListenHooks): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => {
      reject(new TunnelError('failed', `cannot listen: ${errnoOf(cause)}`, { cause }));
    };
    server.once('error', onError);
    server.once('listening', () => {
      server.off('error', onError);
      server.on('error', (error) => hooks.onAcceptError?.(toTunnelError(error)));
      resolve();
    });
    listenPrivately(server, options);
  });
}

/** A local socket's file is made inside `listen`, so the mask holds from its first moment and is over before anything else runs. */
function listenPrivately(server: Server, options: ListenOptions): void {
  if (options.path === undefined || process.platform === 'win32') {
    server.listen(options);
    return;
  }
  const previous = process.umask(LOCAL_SOCKET_UMASK);
  try {
    server.listen(options);
  } finally {
    process.umask(previous);
  }
}

/** Node reports a server as closed only once all its connections are; its port is free at once. */
async function closeServer(server: Server): Promise<void> {
  server.close();
}

async function bindDatagrams(address: SocketAddress, onDatagram: OnDatagram): Promise<DatagramSocket> {
  const { host, port } = address;
  const version = ipVersion(host);
  if (version === 0) throw new TunnelError('failed', 'not a literal IP address');
  const socket = createSocket({
    type: version === 4 ? 'udp4' : 'udp6',
    ipv6Only: version === 6,
    // Addresses are literals: Node would ask the resolver's machinery all the same.
    lookup: (literal: string, _family: unknown, done: (error: null, address: string, family: number) => void) =>
      done(null, literal, version),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(toTunnelError(error));
    });
    socket.bind({ address: host, port, exclusive: true }, resolve);
  });
  socket.removeAllListeners('error');
  // An unconnected socket hears of nobody's refusal; what else goes wrong concerns single datagrams.
  socket.on('error', ignoreError);
  growBuffers(socket);
  socket.on('message', (bytes, from) => onDatagram(bytes, { host: from.address, port: from.port }));
  return datagramSocketOf(socket, { host, port: socket.address().port });
}

function growBuffers(socket: UdpSocket): void {
  try {
    socket.setRecvBufferSize(DATAGRAM_BUFFER_BYTES);
    socket.setSendBufferSize(DATAGRAM_BUFFER_BYTES);
  } catch {
    // Some systems refuse what is more than they allow, instead of giving what they do.
  }
}

function datagramSocketOf(socket: UdpSocket, address: SocketAddress): DatagramSocket {
  const version = ipVersion(address.host);
  let isOpen = true;
  return {
    address,
    send: (bytes, to) => {
      if (!isOpen || ipVersion(to.host) !== version || socket.getSendQueueSize() > MAX_WAITING_DATAGRAM_BYTES)
        return false;
      // With a listener, failures come to it one by one instead of as events.
      socket.send(bytes, to.port, to.host, ignoreError);
      return true;
    },
    close: () => {
      if (isOpen) socket.close();
      isOpen = false;
    },
  };
}
