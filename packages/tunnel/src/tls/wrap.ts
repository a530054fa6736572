import type { TLSSocket } from 'node:tls';
import type { Conn } from '../network.ts';
import { lendReads } from './lent-reads.ts';

/** Gives a TLS connection what a `Conn` has beyond `Duplex`: reads that are lent, and the resets and the address of the connection under it. `buffer`: see `lendReads`. */
export function wrapTls(socket: TLSSocket, under: Conn, buffer?: Buffer): Conn {
  socket.on('error', ignoreError);
  const remoteAddress = under.remoteAddress;
  socket.resetAndDestroy = () => {
    // Destroyed without a reset, the TLS socket would say a clean end first.
    if (under.resetAndDestroy === undefined) under.destroy();
    else under.resetAndDestroy();
    return socket.destroy();
  };
  // What is written is encrypted, or copied, before its callback runs.
  Object.assign(socket, { forgetsWrites: true });
  lendReads(socket, buffer);
  // In a memory network the address is known to the connection under it only.
  if (socket.remoteAddress === undefined) Object.defineProperty(socket, 'remoteAddress', { value: remoteAddress });
  return socket;
}

/** An owner that has not yet attached its own listener must not let a reset end the process; it sees `close` all the same. */
function ignoreError(): void {}
