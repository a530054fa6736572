import type { Network } from './network.ts';

/** Ends a timer. Calling it again, or after the timer has fired, does nothing. */
export type CancelTimer = () => void;

/** The only source of time. Its deterministic twin is `ManualClock` in `@rozan/tunnel/testing`. */
export interface Clock {
  /** Milliseconds since 1970, as this machine believes; may jump. */
  wallMs(): number;
  /** Milliseconds from some fixed point; never goes back. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. A pending timer does not keep the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): CancelTimer;
}

/** The only source of randomness. */
export interface Random {
  /** `count` fresh bytes. */
  bytes(count: number): Buffer;
  /** A number from 0 (inclusive) to 1 (exclusive). */
  fraction(): number;
}

/** A typed event: its name, and fields that carry no address, host or id of a user. */
export interface LogEvent {
  readonly event: string;
  readonly [field: string]: string | number | boolean | null | readonly string[] | { readonly [key: string]: string };
}

/** Where events go. */
export type Log = (event: LogEvent) => void;

/** What every program gets from outside; passed first, never global. */
export interface Env {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
