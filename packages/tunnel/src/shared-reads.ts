import type { BorrowedReader, Conn } from './network.ts';

/** One read of the kernel brings at most this much. */
const READ_BYTES = 512 * 1024;

/** Node's option for reading into a buffer of one's own. */
interface OnRead {
  readonly buffer: Buffer;
  callback(bytes: number, buffer: Uint8Array): boolean;
}

/** A socket's share in the read buffer. */
interface SocketReads {
  /** For the socket's constructor. */
  readonly onread: OnRead;
  /** Gives the connection its `borrowReads`. */
  attach(conn: Conn): Conn;
}

/** Reads of many sockets through one buffer. */
export interface SharedReads {
  forSocket(): SocketReads;
  /** Takes an accepted socket, paused, over into one that reads through the buffer. */
  adopt(socket: Conn): Conn;
}

/** Makes a socket from a handle of the system. */
export type CreateSocket = (options: { handle: object; allowHalfOpen: true; onread: OnRead }) => Conn;

/** What Node keeps of a socket behind its types: the system's handle, which another `Socket` can take over. */
interface HandleHolder {
  _handle?: object | null;
}

/**
 * Node reads a socket into memory of its own for each chunk, which costs an allocation and its collection per 64 KB. Here all sockets read
 * into one buffer: a read's callback runs before the next read, so a reader that is done with the bytes when it returns can have them as
 * they are, and everyone else gets a copy.
 */
export function createSharedReads(createSocket: CreateSocket): SharedReads {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const forSocket = (): SocketReads => {
    let owner: Conn | null = null;
    let reader: BorrowedReader | null = null;
    // Node calls it as a method of the socket, which may read before `attach` has told who owns it.
    function callback(this: Conn, bytes: number): boolean {
      const lent = buffer.subarray(0, bytes);
      return reader === null ? (owner ?? this).push(Buffer.from(lent)) : reader(lent);
    }
    const attach = (conn: Conn): Conn => {
      owner = conn;
      Object.assign(conn, { forgetsWrites: true });
      conn.borrowReads = (next) => {
        reader = next;
        if (next === null) return;
        // What has come before lies in the stream.
        for (let early = conn.read(); early instanceof Buffer; early = conn.read()) next(early);
      };
      return conn;
    };
    return { onread: { buffer, callback }, attach };
  };
  const adopt = (socket: Conn & HandleHolder): Conn => {
    const handle = socket._handle;
    if (handle === undefined || handle === null) {
      socket.resume();
      return socket;
    }
    const { onread, attach } = forSocket();
    socket._handle = null;
    return attach(createSocket({ handle, allowHalfOpen: true, onread }));
  };
  return { forSocket, adopt };
}
