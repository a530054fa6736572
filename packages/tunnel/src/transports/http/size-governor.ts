import { FIRST_MESSAGE_BYTES, MESSAGE_BYTES, QUICK_MS, QUICK_ROUND_TRIPS } from './limits.ts';

/** How large messages of one direction may be: no more than is allowed, and no more than the path carries in the time allowed. */
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

  /** A message of so many bytes has passed in this time. What waits on a slow line holds up what the other direction needs to go on. */
  passed(bytes: number, durationMs: number, roundTripMs: number): void {
    if (bytes < this.#bytes / 2) return;
    if (durationMs < QUICK_MS + QUICK_ROUND_TRIPS * roundTripMs)
      this.#bytes = Math.min(this.#maxBytes, this.#bytes * 2);
    else if (durationMs > this.#slowMs) this.#shrink();
  }

  /** A message was cut. */
  cut(): void {
    this.#shrink();
  }

  #shrink(): void {
    this.#bytes = Math.max(Math.min(MESSAGE_BYTES.least, this.#maxBytes), Math.floor(this.#bytes / 2));
  }
}
