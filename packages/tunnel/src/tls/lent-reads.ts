import type { TLSSocket } from 'node:tls';
import type { BorrowedReader, Conn } from '../network.ts';

/** TLS gives no more at a time: one record's content. */
export const TLS_READ_BYTES: number = 16 * 1024;

/** What Node's option `onread` sets in a socket that it makes, behind its types. TLS over a connection that is there does not take the option. */
interface ReadParts {
  readonly handle: { useUserBuffer(buffer: Buffer): void };
  readonly buffer: symbol;
  readonly callback: symbol;
}

interface HandleHolder {
  readonly _handle?: { readonly useUserBuffer?: unknown } | null;
}

/**
 * Gives a TLS connection `borrowReads`, where this runtime is made as we think: Node cuts each 16 KB that it reads from memory which only its
 * collector can give back, and that costs more than all the rest. `buffer`: `TLS_READ_BYTES` to read into. Connections over sockets of the system may
 * share it, as in shared-reads.ts; over a stream of JavaScript a write may have another connection read before it returns. Default: one of its own.
 */
export function lendReads(socket: TLSSocket, buffer: Buffer = Buffer.allocUnsafeSlow(TLS_READ_BYTES)): void {
  const parts = findParts(socket);
  if (parts === null) return;
  const conn: Conn = socket;
  let reader: BorrowedReader | null = null;
  let isSet = false;
  conn.borrowReads = (next) => {
    reader = next;
    if (next === null) return;
    if (!isSet) {
      isSet = true;
      const onRead = (bytes: number): boolean => {
        const lent = buffer.subarray(0, bytes);
        return reader === null ? socket.push(Buffer.from(lent)) : reader(lent);
      };
      Object.assign(socket, { [parts.buffer]: buffer, [parts.callback]: onRead });
      parts.handle.useUserBuffer(buffer);
    }
    // What has come before lies in the stream.
    for (let early = socket.read(); early instanceof Buffer; early = socket.read()) next(early);
  };
}

function findParts(socket: TLSSocket & HandleHolder): ReadParts | null {
  const handle = socket._handle;
  const symbols = Object.getOwnPropertySymbols(socket);
  const buffer = symbols.find(({ description }) => description === 'kBuffer');
  const callback = symbols.find(({ description }) => description === 'kBufferCb');
  if (!isReadHandle(handle) || buffer === undefined || callback === undefined) return null;
  return { handle, buffer, callback };
}

function isReadHandle(handle: HandleHolder['_handle']): handle is ReadParts['handle'] {
  return typeof handle?.useUserBuffer === 'function';
}
