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

  /** A message of so many bytes was on the line for so long, beside the round trip. */
  passed(bytes: number, onLineMs: number, roundTripMs: number): void {
    if (bytes < this.#bytes / 2) return;
    const aimMs = ON_LINE_MS + ON_LINE_ROUND_TRIPS * roundTripMs;
    if (onLineMs < aimMs) this.#bytes = Math.min(this.#maxBytes, (this.#bytes * 5) / 4);
    else if (onLineMs > this.#slowMs) this.cut();
    else if (onLineMs > 1.5 * aimMs)
      this.#bytes = Math.max(Math.min(this.#bytes, LEAST_PACED_BYTES), (this.#bytes * 4) / 5);
    this.#bytes = Math.floor(this.#bytes);
  }

  /** A message was cut. */
  cut(): void {
    this.#bytes = Math.max(Math.min(MESSAGE_BYTES.least, this.#maxBytes), Math.floor(this.#bytes / 2));
  }
}
