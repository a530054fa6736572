import { findTransport, type LogEvent } from '@rozan/tunnel';
import type { Looks, Phase, Why } from './api-types.ts';
import { MAX_WHY_FAILURES } from './limits.ts';

type Failure = Why['failures'][number];
type Verdict = Why['verdict'];

const PHASES: ReadonlySet<string> = new Set(['resolve', 'connect', 'dress', 'handshake', 'forward', 'check']);

/** Verdicts by failure code; what is not here counts as a connection that was broken off. */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  unreachable: 'offline',
  'name-not-found': 'names-blocked',
  'name-forged': 'names-blocked',
  'timed-out': 'no-answer',
  refused: 'refused',
  'not-authentic': 'impostor',
  'relay-busy': 'busy',
  'proxy-failed': 'proxy',
  'proxy-denied': 'proxy',
  'proxy-login': 'proxy',
};

/** A verdict needs this share of all failures; otherwise several things are wrong. */
const CLEAR_SHARE = 0.6;

/** What a transport looks like to whoever watches. */
export function looksOf(transport: string): Looks {
  return findTransport(transport)?.traits.looksLike ?? 'other';
}

/** What the failures of a pass come to, in a word. */
export function verdictOf(failures: readonly Pick<Failure, 'code' | 'count'>[]): Verdict {
  const sums = new Map<Verdict, number>();
  for (const { code, count } of failures) {
    const verdict = VERDICTS[code] ?? 'cut';
    sums.set(verdict, (sums.get(verdict) ?? 0) + count);
  }
  const all = [...sums.values()].reduce((sum, count) => sum + count, 0);
  const [first] = [...sums].sort((a, b) => b[1] - a[1]);
  return first !== undefined && first[1] >= all * CLEAR_SHARE ? first[0] : 'mixed';
}

function failureOf(event: LogEvent): Failure {
  const transport = String(event.transport);
  const phase = PHASES.has(String(event.phase)) ? (event.phase as Failure['phase']) : 'connect';
  const { count, relayCount } = event;
  return {
    phase,
    code: String(event.code),
    transport,
    looks: looksOf(transport),
    count: Number(count),
    entries: Number(relayCount),
  };
}

/** The account of the last pass over all ways, from the events of establishment (docs/spec/events.md). */
export class AccountKeeper {
  #coming: Failure[] = [];
  #last: Pick<Why, 'overMs' | 'ways' | 'failed' | 'failures'> = { overMs: null, ways: 0, failed: 0, failures: [] };
  /** Whether the last pass since `begin` was without success; null while none is over. */
  #hasFailed: boolean | null = null;

  get hasFailed(): boolean {
    return this.#hasFailed === true;
  }

  /** It begins to connect: what was before says nothing any more. */
  begin(): void {
    this.#hasFailed = null;
    this.#coming = [];
  }

  /** Takes an event. Returns whether there is a new account. */
  note(event: LogEvent, wallMs: number): boolean {
    if (event.event === 'establish.failures') {
      if (this.#coming.length < MAX_WHY_FAILURES) this.#coming.push(failureOf(event));
      return false;
    }
    if (event.event !== 'establish.over') return false;
    const failures = this.#coming;
    this.#coming = [];
    this.#hasFailed = event.connected !== true;
    this.#last = { overMs: wallMs, ways: Number(event.ways), failed: Number(event.failed), failures };
    return true;
  }

  why(phase: Phase, entries: number): Why {
    return { verdict: this.#verdict(phase, entries), ...this.#last };
  }

  #verdict(phase: Phase, entries: number): Verdict {
    if (phase === 'off') return entries === 0 ? 'no-entries' : 'off';
    if (phase === 'connected') return 'connected';
    if (entries === 0) return 'no-entries';
    return this.#hasFailed === true && this.#last.failures.length > 0 ? verdictOf(this.#last.failures) : 'trying';
  }
}
