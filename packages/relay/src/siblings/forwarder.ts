import { type AttachAttempt, NO_PADDING } from '@rozan/protocol';
import { type Conn, type Env, sleep, splice, TunnelError } from '@rozan/tunnel';
import { sealReply } from '../accept/reply.ts';
import type { Resolver } from '../egress/resolver.ts';
import { FORWARD_BOUNDS } from '../limits/constants.ts';
import type { ForwardLimits } from '../limits/forward-limits.ts';
import type { Source } from '../limits/source-key.ts';
import type { Guest } from '../strangers/stranger-hall.ts';
import { dialHome, type HomeConn } from './home-dial.ts';
import type { Sibling, Siblings } from './siblings.ts';

/** What became of a request to forward. Only the operator learns more than whether it was forwarded. */
export type ForwardOutcome = 'forwarded' | 'unknown' | 'unreachable' | 'capped' | 'draining' | 'full' | 'left';

/** Counts what is forwarded. */
export interface ForwardCounters {
  forwardAsked(outcome: ForwardOutcome): void;
  /** A forwarded carrier has ended. */
  forwardEnded(bytes: { readonly up: number; readonly down: number }): void;
}

/** What `Forwarder` needs. */
export interface ForwarderOptions {
  readonly siblings: Siblings;
  readonly limits: ForwardLimits;
  readonly resolver: Resolver;
  readonly counters: ForwardCounters;
  readonly retentionMs: number;
  readonly isDraining: () => boolean;
}

/** A client that asks. */
interface ForwardRequest {
  readonly conn: Conn;
  readonly source: Source;
  readonly guest: Guest;
  readonly attempt: AttachAttempt;
  /** What came behind its flight. */
  readonly leftover: Buffer;
}

/** Passes carriers on to the homes of their sessions (docs/spec/reroute.md §3, §4). */
export class Forwarder {
  readonly #env: Env;
  readonly #options: ForwarderOptions;
  readonly #over = new AbortController();
  /** What ends each of the forwarded carriers. */
  readonly #running = new Set<() => void>();

  constructor(env: Env, options: ForwarderOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Decides on a request, and takes its connection over. Resolves when it is forwarded or refused. */
  async take(request: ForwardRequest): Promise<void> {
    const { limits, counters } = this.#options;
    const end = limits.beginRequest(request.source);
    if (end === null) {
      counters.forwardAsked('full');
      this.#refuse(request);
      return;
    }
    const { earliestRefusalMs, latestRefusalMs } = FORWARD_BOUNDS;
    const delayMs = earliestRefusalMs + this.#env.random.fraction() * (latestRefusalMs - earliestRefusalMs);
    const refusal = new AbortController();
    const signal = AbortSignal.any([refusal.signal, this.#over.signal]);
    const onClose = () => refusal.abort(new TunnelError('failed', 'the client has left'));
    request.conn.once('close', onClose);
    try {
      const timer = sleep(this.#env, delayMs, signal);
      timer.catch(() => {});
      const outcome = await this.#tryForward(request, signal);
      counters.forwardAsked(outcome);
      if (outcome === 'forwarded') return;
      // Every refusal comes as late, whatever it rests on.
      await timer;
      this.#refuse(request);
    } catch {
      // The client has left, or the relay ends: nobody is there to be told.
    } finally {
      request.conn.off('close', onClose);
      refusal.abort();
      end();
    }
  }

  async #tryForward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardOutcome> {
    const { siblings, limits, isDraining } = this.#options;
    const sibling = siblings.namedBy(request.attempt);
    if (isDraining()) return 'draining';
    if (sibling === null) return 'unknown';
    const end = limits.beginCarrier(request.source, sibling.id);
    if (end === null) return 'capped';
    let isSpliced = false;
    try {
      const home = await this.#reach(sibling, request, signal);
      if (request.conn.destroyed) {
        home.conn.destroy();
        return 'left';
      }
      isSpliced = true;
      this.#splice(request, home, end);
      return 'forwarded';
    } catch {
      return request.conn.destroyed ? 'left' : 'unreachable';
    } finally {
      if (!isSpliced) end();
    }
  }

  async #reach(sibling: Sibling, { attempt }: ForwardRequest, signal: AbortSignal): Promise<HomeConn> {
    const { request } = attempt;
    if (request.kind !== 'forward') throw new TunnelError('violation', 'no request to forward');
    const tooLong = new AbortController();
    const cancelTimer = this.#env.clock.setTimer(FORWARD_BOUNDS.homeMs, () =>
      tooLong.abort(new TunnelError('timed-out', 'the home did not answer in time')),
    );
    try {
      const { resolver } = this.#options;
      const any = AbortSignal.any([signal, tooLong.signal]);
      return await dialHome(this.#env, sibling, { flight: request.flight, resolver, signal: any });
    } catch (error) {
      // A flight that was met with silence: one of the clocks may have jumped, and an unsynced one has a wider window.
      if (tooLong.signal.aborted) sibling.relayClock.forget();
      throw error;
    } finally {
      cancelTimer();
    }
  }

  #splice({ conn, attempt, guest, leftover }: ForwardRequest, home: HomeConn, end: () => void): void {
    const { counters, retentionMs } = this.#options;
    const { flight } = sealReply(this.#env, attempt, { status: 'accepted', retentionMs, padding: NO_PADDING });
    conn.write(Buffer.concat([flight, home.leftover]));
    if (leftover.length > 0) home.conn.write(leftover);
    guest.leave();
    const { clock } = this.#env;
    const stop = () => {
      conn.destroy();
      home.conn.destroy();
    };
    this.#running.add(stop);
    splice(conn, home.conn, {
      idle: { clock, idleMs: FORWARD_BOUNDS.idleMs },
      onDone: ({ bytesAToB, bytesBToA }) => {
        this.#running.delete(stop);
        end();
        counters.forwardEnded({ up: bytesAToB, down: bytesBToA });
      },
    });
  }

  #refuse({ conn, attempt, guest }: ForwardRequest): void {
    if (conn.destroyed) return;
    conn.write(sealReply(this.#env, attempt, { status: 'busy', retentionMs: this.#options.retentionMs }).flight);
    guest.turnAway();
  }

  /** Ends what is forwarded, for the relay's own end. */
  close(): void {
    this.#over.abort(new TunnelError('session-closed', 'the relay ends'));
    for (const stop of [...this.#running]) stop();
  }
}
