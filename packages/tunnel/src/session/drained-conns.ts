import type { Env } from '../env.ts';
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
  take(conn: Conn): void {
    if (conn.destroyed) return;
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
