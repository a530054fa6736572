import type { CancelTimer, Clock } from '../../env.ts';
import type { Conn } from '../../network.ts';
import type { Declined } from './dressed-conn.ts';
import { HOLD_MS, MAX_STRANGERS } from './limits.ts';

/** What a look at the first bytes says. */
export type FirstLook<Found> =
  /** It is no client's message. */
  | 'stranger'
  /** It may become one. */
  | 'more'
  /** It is one. */
  | Found;

/** Counts the strangers of a listener, and lets those go for whom there is no room. */
export class StrangerCount {
  #count = 0;

  /** Whether the connection may stay. */
  admit(conn: Conn): boolean {
    if (this.#count >= MAX_STRANGERS) {
      conn.on('error', () => {});
      conn.destroy();
      return false;
    }
    this.#count += 1;
    conn.once('close', () => {
      this.#count -= 1;
    });
    return true;
  }
}

interface FirstLookOptions<Found> {
  readonly clock: Clock;
  readonly look: (bytes: Buffer) => FirstLook<Found>;
  readonly onFound: (found: Found, bytes: Buffer) => void;
  readonly onStranger: (stranger: Declined) => void;
}

/**
 * Reads the beginning of a connection until it is clear whose it is. Then the connection is paused, and nobody listens to it. A beginning
 * that could still become a client's, or that has not come, is given up for a stranger's after `HOLD_MS`, and when its sender ends.
 */
export function lookAtFirstBytes<Found>(conn: Conn, options: FirstLookOptions<Found>): void {
  let bytes: Buffer = Buffer.alloc(0);
  const stop = () => {
    cancel();
    conn.pause();
    conn.off('data', onData).off('end', onEnd).off('error', onError).off('close', stop);
  };
  const turnAway = (hasEnded: boolean) => {
    stop();
    options.onStranger({ conn, seen: bytes, hasEnded });
  };
  const onEnd = () => turnAway(true);
  const onError = () => {};
  const onData = (chunk: Buffer) => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const found = options.look(bytes);
    if (found === 'more') return;
    if (found === 'stranger') {
      turnAway(false);
      return;
    }
    stop();
    options.onFound(found, bytes);
  };
  const cancel: CancelTimer = options.clock.setTimer(HOLD_MS, () => turnAway(false));
  conn.on('data', onData).on('end', onEnd).on('error', onError).on('close', stop);
  conn.resume();
}
