import { type Attempt, type Clock, type Conn, race, TunnelError } from '@rozan/tunnel';
import { EgressError } from './egress-error.ts';

/** Puts the families in turns, beginning with the one of the first address (RFC 8305 §4), and keeps the order inside each. */
export function interleaveFamilies(literals: readonly string[]): readonly string[] {
  if (literals.length < 2) return literals;
  const unique = [...new Set(literals)];
  const first = unique[0]?.includes(':');
  const preferred = unique.filter((literal) => literal.includes(':') === first);
  const others = unique.filter((literal) => literal.includes(':') !== first);
  const result: string[] = [];
  for (let index = 0; index < Math.max(preferred.length, others.length); index += 1) {
    result.push(...preferred.slice(index, index + 1), ...others.slice(index, index + 1));
  }
  return result;
}

/** How `raceConnect` goes about it. */
export interface ConnectOptions {
  /** Connects to one address. Must end soon after its signal is aborted. */
  readonly attempt: (literal: string, signal: AbortSignal) => Promise<Conn>;
  readonly staggerMs: number;
  readonly signal: AbortSignal;
}

/** What the client is told when every attempt has failed: the answer that says most about the destination. */
const MOST_TELLING = ['refused', 'timed-out', 'unreachable', 'forbidden'] as const;

function egressErrorOf(errors: readonly unknown[]): EgressError {
  const codes = new Set(
    errors.map((error) => {
      if (error instanceof EgressError) return error.resetCode;
      const code = error instanceof TunnelError ? error.code : 'failed';
      return code === 'refused' || code === 'timed-out' ? code : 'unreachable';
    }),
  );
  return new EgressError(MOST_TELLING.find((code) => codes.has(code)) ?? 'unreachable');
}

/**
 * Connects to the first address that answers, starting one attempt after the other without waiting for failures (RFC 8305 §5).
 * The losers are aborted, and destroyed if they connect all the same. Rejects with an `EgressError` once all have failed,
 * or with the signal's reason.
 */
export function raceConnect(clock: Clock, literals: readonly string[], options: ConnectOptions): Promise<Conn> {
  const { attempt, staggerMs, signal } = options;
  const [only] = literals;
  if (only !== undefined && literals.length === 1) return connectAlone(only, options);
  const attempts = literals.map(
    (literal): Attempt<Conn> =>
      (losers) =>
        attempt(literal, losers),
  );
  return race(clock, attempts, { staggerMs, signal, discard, failureOf: egressErrorOf });
}

/** A race of one, which is most of them: without what a race costs. */
async function connectAlone(literal: string, { attempt, signal }: ConnectOptions): Promise<Conn> {
  signal.throwIfAborted();
  try {
    const conn = await attempt(literal, signal);
    if (!signal.aborted) return conn;
    discard(conn);
  } catch (error) {
    if (!signal.aborted) throw egressErrorOf([error]);
  }
  throw signal.reason;
}

function discard(conn: Conn): void {
  conn.on('error', () => undefined);
  conn.destroy();
}
