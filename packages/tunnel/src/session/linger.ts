import type { Env } from '../env.ts';
import { LINGER_MAX_MS, LINGER_MIN_MS } from '../limits.ts';
import type { Conn } from '../network.ts';

/**
 * Takes leave of a connection without a sign of it: what still comes is read and discarded (closing with unread bytes would send an RST),
 * the peer's end is answered, and after a random time it is closed. Emits `linger` first, for who counts connections.
 */
export function linger(env: Env, conn: Conn): void {
  if (conn.destroyed) return;
  conn.emit('linger');
  const lingerMs = LINGER_MIN_MS + env.random.fraction() * (LINGER_MAX_MS - LINGER_MIN_MS);
  const cancel = env.clock.setTimer(lingerMs, () => conn.destroy());
  conn.on('error', () => conn.destroy());
  conn.on('close', cancel);
  conn.once('end', () => conn.end());
  if (conn.readableEnded) conn.end();
  conn.resume();
}
