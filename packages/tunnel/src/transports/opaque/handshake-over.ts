import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { HANDSHAKE_MS, MAX_HANDSHAKE_BYTES } from './limits.ts';

interface HandshakeOptions<Done> {
  readonly signal: AbortSignal | undefined;
  /** Takes what comes; gives what the handshake comes to once it is over. May throw. */
  readonly receive: (bytes: Buffer) => Done | null;
}

/**
 * Feeds a machine until it is done, and leaves the connection paused. Rejects with a `TunnelError` (`failed`, `timed-out`, or the
 * machine's) or the signal's reason.
 */
export function handshakeOver<Done>(env: Env, conn: Conn, { signal, receive }: HandshakeOptions<Done>): Promise<Done> {
  return new Promise((resolve, reject) => {
    let bytesLeft = MAX_HANDSHAKE_BYTES;
    const stop = () => {
      cancel();
      conn.pause();
      conn.off('data', onData).off('end', onEnd).off('close', onEnd);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      stop();
      reject(error);
    };
    const onEnd = () => fail(new TunnelError('failed', 'the connection ended during the handshake'));
    const onAbort = () => fail(signal?.reason);
    const onData = (bytes: Buffer) => {
      bytesLeft -= bytes.length;
      try {
        const done = receive(bytes);
        if (done === null && bytesLeft > 0) return;
        if (done === null) throw new TunnelError('failed', 'the handshake is too long');
        stop();
        resolve(done);
      } catch (error) {
        fail(
          error instanceof TunnelError
            ? error
            : new TunnelError('failed', 'not the handshake that was expected', { cause: error }),
        );
      }
    };
    const cancel = env.clock.setTimer(HANDSHAKE_MS, () =>
      fail(new TunnelError('timed-out', 'the handshake was not answered in time')),
    );
    conn.on('error', () => {});
    conn.on('data', onData).on('end', onEnd).on('close', onEnd);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    else if (conn.destroyed) onEnd();
    else conn.resume();
  });
}
