import type { Env } from '../env.ts';
import type { Carrier } from './carrier.ts';

/** When carriers are replaced before somebody cuts them: each draws its limits from these ranges. */
export interface RotationPolicy {
  /** Age in milliseconds, from … to; null for never by age. */
  readonly ageMs: readonly [number, number] | null;
  /** Bytes in both directions together, from … to; null for never by bytes. */
  readonly bytes: readonly [number, number] | null;
}

/** No rotation. */
export const NO_ROTATION: RotationPolicy = { ageMs: null, bytes: null };

/** Draws one carrier's limits and judges it by them. */
export class RotationLimits {
  readonly #ageMs: number;
  readonly #bytes: number;

  constructor(env: Env, policy: RotationPolicy) {
    const draw = (range: readonly [number, number] | null): number =>
      range === null ? Number.POSITIVE_INFINITY : range[0] + env.random.fraction() * (range[1] - range[0]);
    this.#ageMs = draw(policy.ageMs);
    this.#bytes = draw(policy.bytes);
  }

  /** Whether it is time for another carrier. */
  due(carrier: Pick<Carrier, 'attachedMs' | 'bytesReceived' | 'bytesSent'>, nowMs: number): boolean {
    return nowMs - carrier.attachedMs >= this.#ageMs || carrier.bytesReceived + carrier.bytesSent >= this.#bytes;
  }
}
