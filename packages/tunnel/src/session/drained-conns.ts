import type { Env } from '../env.ts';
import { MAX_DRAINED_CONNS } from '../limits.ts';
import type { Conn } from '../network.ts';
import { linger } from './linger.ts';

/** Connections that are read and thrown away until their peers end them: nothing is written, and nothing shows why. */
export class DrainedConns {
  readonly #conns = new Set<Conn>();

  /** Connections that are open still. */
  get size(): number {
    return this.#conns.size;
  }

  /** Takes a connection over that nobody reads any more. */
  take(env: Env, conn: Conn): void {
    if (conn.destroyed) return;
    const [oldest] = this.#conns;
    // Whoever changes bytes on every connection and lets none end must not take all descriptors.
    if (oldest !== undefined && this.#conns.size >= MAX_DRAINED_CONNS) {
      this.#conns.delete(oldest);
      linger(env, oldest);
    }
    this.#conns.add(conn);
    conn.on('error', () => {});
    conn.once('close', () => this.#conns.delete(conn));
    conn.once('end', () => conn.end());
    if (conn.readableEnded) conn.end();
    conn.resume();
  }

  /** Closes them all, each after a random time. */
  lingerAll(env: Env): void {
    for (const conn of this.#conns) linger(env, conn);
    this.#conns.clear();
  }
}
