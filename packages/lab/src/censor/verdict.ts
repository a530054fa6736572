import type { Side, Tuple } from './flow.ts';

/** In which direction something is done: from the client, to it, or both. */
export type Ways = 'up' | 'down' | 'both';

/** Which rule of which policy it was. */
export interface Cause {
  readonly policy: string;
  readonly rule: string;
}

/** A server that traffic has shown to the censor, to be probed. */
export interface ProbeOrder {
  readonly battery: 'replay' | 'protocols';
  readonly tuple: Tuple;
  /** The client's first payload, to be replayed. */
  readonly payload: Buffer;
  /** What to remember of the server when it turns out to be a proxy, as in a rule's `block`. */
  readonly block: {
    readonly per: 'server' | 'server-port' | 'client' | 'client-server' | '3-tuple' | '4-tuple';
    readonly seconds: number;
  };
  readonly cause: Cause;
}

/** What becomes of a packet, and of its flow. */
export type Outcome =
  | { readonly act: 'pass' }
  /** It vanishes and nobody is told. `flow`: so does all that follows in these directions. */
  | { readonly act: 'drop'; readonly scope: 'packet' | 'flow'; readonly ways: Ways }
  /** It vanishes because it came too fast. Where bytes cannot be lost it may pass `waitMs` later, without being judged again. */
  | { readonly act: 'police'; readonly waitMs: number }
  /** These ends are sent a reset; the flow is over. */
  | { readonly act: 'reset'; readonly ends: Side | 'both' }
  /** The client gets this answer, as if from the server; what `afterwards` says becomes of the flow. */
  | { readonly act: 'forge'; readonly answer: Buffer; readonly afterwards: 'drop' | 'pass' | 'reset' };

/** All that the engine says of one event. */
export interface Verdict {
  readonly outcome: Outcome;
  /** What passes does so this much later. */
  readonly delayMs: number;
  /** A `tick` of this flow is wanted then, on the clock of the events, should nothing come before. */
  readonly recheckAtMs: number | null;
  /** What has led to the outcome; null when nothing did. */
  readonly cause: Cause | null;
  readonly probes: readonly ProbeOrder[];
}

/** What is done, and what has led to it. */
export type Judged = Pick<Verdict, 'outcome' | 'cause'>;

/** A line of the verdict log. It names a flow by its number, so that it can be kept. */
export interface VerdictLine {
  readonly atMs: number;
  /** Flows are counted from 1, in the order in which they began. */
  readonly flow: number;
  readonly packet: number;
  readonly act: Outcome['act'] | 'delay' | 'probe';
  readonly policy: string;
  readonly rule: string;
}

export const PASS: Outcome = { act: 'pass' };
