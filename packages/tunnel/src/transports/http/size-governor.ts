import type { Random } from '../../env.ts';
import { FIRST_MESSAGE_BYTES, LEAST_PACED_BYTES, MESSAGE_BYTES, ON_LINE_MS, ON_LINE_ROUND_TRIPS } from './limits.ts';

/**
 * How large messages of one direction may be: no more than is allowed, no more than the path carries in the time allowed, and on a full line no more
 * than keeps it full. What is larger only waits there, side by side with the others, and each waits for the one before it to be whole.
 */
export class SizeGovernor {
  readonly #maxBytes: number;
  readonly #slowMs: number;
  #bytes: number;
  /** When one came that was on the line for long, if none has come since that was not. */
  #lingeredMs: number | null = null;

  constructor(options: { readonly maxBytes: number; readonly maxAgeMs: number }) {
    this.#maxBytes = options.maxBytes;
    this.#slowMs = options.maxAgeMs / 2;
    this.#bytes = Math.min(options.maxBytes, FIRST_MESSAGE_BYTES);
  }

  /** What the next message may carry. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What one message may carry, drawn: those that begin together must not end together, or the line is empty until the next ones come. */
  draw(random: Random): number {
    return Math.ceil(this.#bytes * (0.5 + 0.5 * random.fraction()));
  }

  /** A message of so many bytes was on the line until now, and for so long, beside the round trip. */
  passed(
    bytes: number,
    times: { readonly nowMs: number; readonly onLineMs: number; readonly roundTripMs: number },
  ): void {
    const { nowMs, onLineMs } = times;
    if (bytes < this.#bytes / 2) return;
    const aimMs = ON_LINE_MS + ON_LINE_ROUND_TRIPS * times.roundTripMs;
    if (onLineMs > this.#slowMs) this.cut();
    else if (onLineMs > 1.5 * aimMs) this.#linger({ nowMs, sinceMs: nowMs - onLineMs });
    else this.#lingeredMs = null;
    if (onLineMs < aimMs) this.#bytes = Math.min(this.#maxBytes, Math.floor((this.#bytes * 5) / 4));
  }

  /** One that took long may have met a moment in which somebody had other things to do. The next ones that take long meet a queue. */
  #linger({ nowMs, sinceMs }: { nowMs: number; sinceMs: number }): void {
    if (this.#lingeredMs !== null && sinceMs < this.#lingeredMs) return;
    if (this.#lingeredMs !== null) {
      this.#bytes = Math.max(Math.min(this.#bytes, LEAST_PACED_BYTES), Math.floor((this.#bytes * 3) / 4));
    }
    this.#lingeredMs = nowMs;
  }

  /** A message was cut. */
  cut(): void {
    this.#bytes = Math.max(Math.min(MESSAGE_BYTES.least, this.#maxBytes), Math.floor(this.#bytes / 2));
  }
}
