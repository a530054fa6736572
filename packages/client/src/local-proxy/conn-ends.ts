import type { ResetCode } from '@rozan/protocol';
import { type Clock, type Conn, splice, type TunnelStream } from '@rozan/tunnel';
import { CLOSE_LINGER_MS } from './limits.ts';
import { resetCodeOfError } from './proxy-context.ts';

/** Ends an application's connection so that it sees an error: what was cut short must not look whole. */
export function resetConn(conn: Conn): void {
  if (conn.destroyed) return;
  if (conn.resetAndDestroy) conn.resetAndDestroy();
  else conn.destroy();
}

/**
 * Sends the last bytes and closes. What the application still sends is read and thrown away meanwhile: closing with unread bytes would
 * reset the connection, and the answer could be lost. After `CLOSE_LINGER_MS` the connection is cut.
 */
export function closeConn(conn: Conn, clock: Clock, lastBytes: Buffer): void {
  if (conn.destroyed) return;
  const cancel = clock.setTimer(CLOSE_LINGER_MS, () => conn.destroy());
  conn.once('close', cancel);
  conn.resume();
  conn.end(lastBytes);
}

/**
 * Joins an application's connection and a stream: bytes, back-pressure and half-close both ways. When the stream fails, the application
 * sees a reset and `onFailed` is told why; when the application breaks off, the stream is reset.
 */
export function joinConn(conn: Conn, stream: TunnelStream, onFailed: (code: ResetCode) => void): void {
  splice(conn, stream, {
    resetA: (error) => {
      onFailed(resetCodeOfError(stream.errored ?? error));
      resetConn(conn);
    },
    resetB: () => stream.reset('cancelled'),
  });
}
