import type { Side } from './flow.ts';

/** The least that may burst through, unless a file says otherwise: two full packets. Ours. */
const LEAST_BURST_BYTES = 3000;
/** The burst in time, unless a file says otherwise. Ours. */
const BURST_MS = 100;
const MS = 1000;

/** A rate that is kept without a queue: what comes faster does not pass. */
export interface Rate {
  readonly bytesPerSecond: number;
  readonly burstBytes?: number | undefined;
}

/** Token buckets by key and direction; each is full at first. */
export class Policer {
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /**
   * Asks for a packet to pass. 0: it passes. Otherwise how many milliseconds too early it came: with `holds`, its place is taken and it may pass then;
   * without, it is lost and costs nothing.
   */
  ask(key: string, rate: Rate, packet: { from: Side; bytes: number; atMs: number; holds: boolean }): number {
    const burst = rate.burstBytes ?? Math.max(LEAST_BURST_BYTES, (rate.bytesPerSecond * BURST_MS) / MS);
    const name = `${packet.from} ${key}`;
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs: packet.atMs };
    this.#buckets.set(name, bucket);
    const filled = bucket.tokens + ((packet.atMs - bucket.atMs) / MS) * rate.bytesPerSecond;
    bucket.tokens = Math.min(burst, filled);
    bucket.atMs = packet.atMs;
    const missing = packet.bytes - bucket.tokens;
    if (missing > 0 && !packet.holds) return Math.max(1, (missing / rate.bytesPerSecond) * MS);
    bucket.tokens -= packet.bytes;
    return missing > 0 ? (missing / rate.bytesPerSecond) * MS : 0;
  }
}
