import type { ServerResponse } from 'node:http';
import type { CancelTimer, Clock, Conn } from '@rozan/tunnel';
import { resetConn } from './conn-ends.ts';
import { HTTP_IDLE_MS } from './limits.ts';

interface Watched {
  /** Requests that are being answered. */
  active: number;
  cancelTimer: CancelTimer;
}

/**
 * Cuts connections on which no request is being answered and none is complete for `HTTP_IDLE_MS`: idle ones, and ones that send a request
 * head without end. (Node's own time limits work only for servers that listen by themselves.)
 */
export class HttpIdle {
  readonly #clock: Clock;
  readonly #watched = new WeakMap<Conn, Watched>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches `conn` from its first moment. */
  watch(conn: Conn): void {
    const watched = { active: 0, cancelTimer: this.#arm(conn) };
    this.#watched.set(conn, watched);
    conn.once('close', () => watched.cancelTimer());
  }

  /** A request on `conn` is complete; it is being answered until `response` closes. */
  begin(conn: Conn, response: ServerResponse): void {
    const watched = this.#watched.get(conn);
    if (!watched) return;
    watched.active += 1;
    watched.cancelTimer();
    response.once('close', () => {
      watched.active -= 1;
      if (watched.active === 0 && !conn.destroyed) watched.cancelTimer = this.#arm(conn);
    });
  }

  /** `conn` no longer carries requests. */
  release(conn: Conn): void {
    this.#watched.get(conn)?.cancelTimer();
    this.#watched.delete(conn);
  }

  #arm(conn: Conn): CancelTimer {
    return this.#clock.setTimer(HTTP_IDLE_MS, () => resetConn(conn));
  }
}
