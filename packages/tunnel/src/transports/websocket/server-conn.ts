import type { CancelTimer, Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { FramedConn } from './framed-conn.ts';
import { DECISION_MS } from './limits.ts';

type Done = (error?: Error | null) => void;

/** What the relay's end starts from. */
export interface ServerConnOptions {
  readonly flight: Buffer;
  /** What came behind the request. */
  readonly head: Buffer;
  /** What consents to the request. */
  readonly answer: Buffer;
  readonly remoteAddress: string | undefined;
  /** Takes back what lies under it, paused, when the flight is none of ours. */
  readonly onDecline: () => void;
}

/** The relay's end: it gives out the flight first, and consents with the first bytes that are written. */
export class ServerConn extends FramedConn {
  readonly #options: ServerConnOptions;
  readonly #cancelTimer: CancelTimer;
  #isDeclined = false;

  constructor(env: Env, under: Conn, options: ServerConnOptions) {
    super(under, { clock: env.clock, masks: null, remoteAddress: options.remoteAddress });
    this.#options = options;
    this.#cancelTimer = env.clock.setTimer(DECISION_MS, () => this.decline());
    this.push(options.flight);
  }

  /** The site answers the request, as it answers everyone's. Does nothing once something was written. */
  decline(): void {
    if (this.isOpen || this.destroyed) return;
    this.#isDeclined = true;
    this.detach();
    this.destroy();
    this.#options.onDecline();
  }

  protected override writeBatch(chunks: readonly Buffer[], done: Done): void {
    if (!this.isOpen) this.#consent();
    if (this.destroyed) done();
    else super.writeBatch(chunks, done);
  }

  override _final(done: Done): void {
    if (!this.isOpen) this.#consent();
    super._final(done);
  }

  #consent(): void {
    this.#cancelTimer();
    // With the first record, in one packet.
    this.under.cork();
    this.under.write(this.#options.answer);
    this.open(this.#options.head);
    queueMicrotask(() => this.under.uncork());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#cancelTimer();
    if (this.#isDeclined) done(error);
    else super._destroy(error, done);
  }
}
