import { Duplex } from 'node:stream';
import { type Clock, type Conn, type DialOptions, type Network, type SocketAddress, TunnelError } from '@rozan/tunnel';

/** What happens to a dial: it connects after a time, fails after a time, or hangs until it is aborted. */
export type FakeOutcome =
  | { readonly kind: 'connect'; readonly afterMs: number }
  | {
      readonly kind: 'fail';
      readonly code: 'refused' | 'unreachable' | 'timed-out' | 'failed';
      readonly afterMs: number;
    }
  | { readonly kind: 'hang' };

/** One dial, for the test to look at. */
export interface FakeDial extends SocketAddress {
  readonly atMs: number;
  aborted: boolean;
  conn: Conn | null;
}

class SilentConn extends Duplex {
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}

/** For tests: a network that remembers what was dialled, and whose answers are scripted by address. */
export class FakeNetwork implements Pick<Network, 'dial'> {
  readonly dials: FakeDial[] = [];
  /** Outcomes by literal; an address that is not listed connects at once. */
  readonly outcomes = new Map<string, FakeOutcome>();
  /** Whether an abort is ignored, as by a connection that was just about to succeed. */
  ignoresAborts = false;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  dial(address: SocketAddress, options: DialOptions = {}): Promise<Conn> {
    const dial: FakeDial = { ...address, atMs: this.#clock.monotonicMs(), aborted: false, conn: null };
    this.dials.push(dial);
    const outcome = this.outcomes.get(address.host) ?? { kind: 'connect', afterMs: 0 };
    return new Promise((resolve, reject) => {
      options.signal?.addEventListener('abort', () => {
        dial.aborted = true;
        if (!this.ignoresAborts) reject(options.signal?.reason);
      });
      if (outcome.kind === 'hang') return;
      this.#clock.setTimer(outcome.afterMs, () => {
        if (outcome.kind === 'fail') return reject(new TunnelError(outcome.code, 'scripted'));
        dial.conn = new SilentConn({ allowHalfOpen: true });
        resolve(dial.conn);
      });
    });
  }
}
