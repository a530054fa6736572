import { TunnelError, type TunnelErrorCode } from '@rozan/tunnel';
import { MAX_FAILURE_KINDS } from '../limits.ts';

/**
 * How far an attempt has come: the name is being resolved, the connection made (through the upstream proxy if there is one), the
 * transport's own opening done, the relay asked (in place of that another relay, which is to forward), and the session tried in both directions.
 */
export type Phase = 'resolve' | 'connect' | 'dress' | 'handshake' | 'forward' | 'check';

/** Why an attempt has failed. Holds no address and no text. */
export interface AttemptFailure {
  /** The tag of the entry. */
  readonly tag: string;
  readonly transport: string;
  readonly phase: Phase;
  readonly code: TunnelErrorCode;
}

/** How often attempts have failed in one way. */
export interface FailureCount extends AttemptFailure {
  readonly count: number;
}

/** The code of an error; never its text. */
export function codeOf(error: unknown): TunnelErrorCode {
  return error instanceof TunnelError ? error.code : 'failed';
}

/** Failures, counted by kind until somebody takes them: kept bounded, the kinds that come late being left out. */
export class FailureCounts {
  #counts = new Map<string, FailureCount>();

  add(failure: AttemptFailure): void {
    const { tag, transport, phase, code } = failure;
    const key = `${tag} ${transport} ${phase} ${code}`;
    const count = this.#counts.get(key)?.count ?? 0;
    if (count === 0 && this.#counts.size >= MAX_FAILURE_KINDS) return;
    this.#counts.set(key, { tag, transport, phase, code, count: count + 1 });
  }

  /** What there is. */
  get(): readonly FailureCount[] {
    return [...this.#counts.values()];
  }

  /** What there is, which is forgotten with that. */
  take(): readonly FailureCount[] {
    const taken = this.get();
    this.#counts = new Map();
    return taken;
  }
}
