import { Duplex } from 'node:stream';
import { freeMemory } from '@rozan/protocol';
import { TunnelError } from './errors.ts';
import {
  type BorrowedReader,
  type Conn,
  type DialOptions,
  ipVersion,
  type Listener,
  type Network,
  openTcp,
  type SocketAddress,
} from './network.ts';

/** A TCP socket of Bun's own (https://bun.sh/docs/runtime/networking/tcp), as far as it is used here. */
interface BunSocket {
  /** Whatever its owner keeps with it; its callbacks find their connection there. */
  data: unknown;
  readonly remoteAddress: string;
  /** Gives the kernel what it takes at once: so many bytes, or -1 when the connection is over. `drain` is called when it takes more. */
  write(bytes: Buffer): number;
  pause(): void;
  resume(): void;
  /** Ends what this side sends. */
  shutdown(): void;
  close(): void;
  /** Closes with an RST. */
  terminate(): void;
  /** Has other callbacks from now on. */
  reload(options: { socket: BunSocketEvents }): void;
}

/** Callbacks of a socket. */
interface BunSocketEvents {
  open?(socket: BunSocket): void;
  /** In memory that is the receiver's to keep. */
  data(socket: BunSocket, bytes: Buffer): void;
  /** Also called when nothing had waited to be written. */
  drain(socket: BunSocket): void;
  /** The peer has ended what it sends; not called where that is also the end of the whole connection. */
  end(socket: BunSocket): void;
  /** The connection is over: cleanly on both sides, or with an error. */
  close(socket: BunSocket, error?: Error): void;
  /** A callback has thrown. */
  error(socket: BunSocket, error: Error): void;
}

interface BunListener {
  readonly port: number;
  stop(): void;
}

/** The part of the global `Bun` that makes TCP sockets. */
export interface BunSockets {
  listen(options: { hostname: string; port: number; allowHalfOpen: true; socket: BunSocketEvents }): BunListener;
}

/** What Bun's `node:net` keeps behind its types. */
interface HandleHolder {
  _handle?: BunSocket | null;
}

/** Writes that come together go to the kernel in pieces of this size: Bun has no call for several buffers. */
const GATHER_BYTES = 256 * 1024;

/** The sockets of Bun, if this process runs on it. */
export function findBunSockets(): BunSockets | null {
  const { Bun } = globalThis as { Bun?: BunSockets };
  return Bun ?? null;
}

/**
 * The network of this machine on Bun: TCP by Bun's own sockets, which carry more at less cost than its `node:net`, and cannot take
 * accepted sockets over as `createNetwork` does; everything else as `rest` has it.
 */
export function createBunNetwork(bun: BunSockets, rest: Network): Network {
  const scratch = Buffer.allocUnsafeSlow(GATHER_BYTES);
  return {
    ...rest,
    dial: (address, options) => dial(scratch, address, options),
    listen: (address, onConn) => listen(bun, address, (socket) => onConn(adopt(socket, scratch))),
  };
}

/** `Bun.connect` cannot be given up, so Bun's `node:net` connects; the socket under it is then ours. */
function dial(scratch: Buffer, address: SocketAddress, options: DialOptions = {}): Promise<Conn> {
  return openTcp(address, options.signal, (opened) => {
    const shell = opened as unknown as HandleHolder;
    const socket = shell._handle;
    if (socket === undefined || socket === null) throw new TunnelError('failed', 'the connection has no socket');
    shell._handle = null;
    const conn = adopt(socket, scratch);
    socket.reload({ socket: EVENTS });
    return conn;
  });
}

function adopt(socket: BunSocket, scratch: Buffer): BunConn {
  const conn = new BunConn(socket, scratch);
  socket.data = conn;
  // An owner that has not yet attached its own listener must not let a reset end the process.
  conn.on('error', () => {});
  return conn;
}

/** Nothing is told of connections that could not be accepted: out of file descriptors, Bun leaves them waiting with the kernel. */
async function listen(bun: BunSockets, address: SocketAddress, open: (socket: BunSocket) => void): Promise<Listener> {
  const { host, port } = address;
  if (ipVersion(host) === 0) throw new TunnelError('failed', 'not a literal IP address');
  try {
    const listener = bun.listen({ hostname: host, port, allowHalfOpen: true, socket: { ...EVENTS, open } });
    return { address: { host, port: listener.port }, close: async () => listener.stop() };
  } catch (cause) {
    const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new TunnelError('failed', `cannot listen: ${errno}`, { cause });
  }
}

/** One set of callbacks for all sockets. What Bun calls them with is over once its connection has let go of it. */
const EVENTS: BunSocketEvents = {
  data: (socket, bytes) => connOf(socket)?.onBytes(bytes),
  drain: (socket) => connOf(socket)?.onRoom(),
  end: (socket) => connOf(socket)?.onEnd(),
  close: (socket, error) => connOf(socket)?.onClosed(error),
  error: (socket, error) => {
    connOf(socket)?.destroy(error);
    // Thrown by our own code: Bun would keep it, while everywhere else it ends the process.
    process.nextTick(() => {
      throw error;
    });
  },
};

function connOf({ data }: BunSocket): BunConn | null {
  return data instanceof BunConn ? data : null;
}

type WriteCallback = (error?: Error | null) => void;

/** A connection over one of Bun's sockets. */
class BunConn extends Duplex {
  readonly forgetsWrites = true;
  readonly remoteAddress: string;
  /** Null once it is closed. */
  #socket: BunSocket | null;
  readonly #scratch: Buffer;
  #reader: BorrowedReader | null = null;
  #isReading = true;
  #hasEnded = false;
  /** What the kernel has not taken of a write that has begun, and what to call when it has. */
  #waiting: Buffer[] = [];
  #onTaken: WriteCallback | null = null;

  constructor(socket: BunSocket, scratch: Buffer) {
    super({ allowHalfOpen: true });
    this.remoteAddress = socket.remoteAddress;
    this.#socket = socket;
    this.#scratch = scratch;
  }

  onBytes(bytes: Buffer): void {
    const reader = this.#reader;
    if (!(reader === null ? this.push(bytes) : reader(bytes))) this.#stopReading();
    // Bun gives each read memory of its own, up to 512 KB.
    if (reader !== null) freeMemory(bytes);
  }

  onEnd(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
    // Nothing may be left to read that would bring the end out.
    this.read(0);
  }

  onClosed(error: Error | undefined): void {
    if (this.#socket === null) return;
    this.#socket = null;
    if (error !== undefined) this.destroy(error);
    else if (!this.writableFinished && this.#onTaken !== null) this.destroy(closedError());
    else this.onEnd();
  }

  onRoom(): void {
    if (this.#onTaken !== null) this.#writeOn();
  }

  borrowReads(reader: BorrowedReader | null): void {
    this.#reader = reader;
    if (reader === null) return;
    // What has come before lies in the stream.
    for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
  }

  override pause(): this {
    if (this.#reader !== null) this.#stopReading();
    return super.pause();
  }

  override resume(): this {
    if (this.#reader !== null) this._read();
    return super.resume();
  }

  resetAndDestroy(): this {
    this.#socket?.terminate();
    this.#socket = null;
    return this.destroy();
  }

  override _read(): void {
    if (this.#isReading || this.#socket === null) return;
    this.#isReading = true;
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, callback: WriteCallback): void {
    this.#begin([chunk], callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: WriteCallback): void {
    this.#begin(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  override _final(callback: WriteCallback): void {
    this.#socket?.shutdown();
    callback();
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    const [socket, onTaken] = [this.#socket, this.#onTaken];
    this.#socket = null;
    this.#onTaken = null;
    this.#waiting = [];
    socket?.close();
    onTaken?.(error ?? closedError());
    callback(error);
  }

  #stopReading(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#socket?.pause();
  }

  #begin(chunks: Buffer[], callback: WriteCallback): void {
    this.#waiting = chunks;
    this.#onTaken = callback;
    this.#writeOn();
  }

  /** Writes until everything is taken or the kernel has enough. */
  #writeOn(): void {
    while (this.#waiting.length > 0) {
      const [first] = this.#waiting;
      const isAlone = this.#waiting.length === 1 && first !== undefined;
      const piece = isAlone ? first : this.#gather();
      const taken = this.#socket?.write(piece) ?? -1;
      this.#take(Math.max(0, taken));
      if (taken < piece.length) return;
    }
    const onTaken = this.#onTaken;
    this.#onTaken = null;
    onTaken?.();
  }

  /** The beginning of what waits, in the memory that all connections share. */
  #gather(): Buffer {
    const scratch = this.#scratch;
    let used = 0;
    for (const chunk of this.#waiting) {
      used += chunk.copy(scratch, used);
      if (used === scratch.length) break;
    }
    return scratch.subarray(0, used);
  }

  /** Forgets so many bytes of what waits. */
  #take(count: number): void {
    let left = count;
    let whole = 0;
    for (const chunk of this.#waiting) {
      if (chunk.length > left) break;
      left -= chunk.length;
      whole += 1;
    }
    this.#waiting = this.#waiting.slice(whole);
    const [first] = this.#waiting;
    if (left > 0 && first !== undefined) this.#waiting[0] = first.subarray(left);
  }
}

function closedError(): TunnelError {
  return new TunnelError('failed', 'the connection was closed');
}
