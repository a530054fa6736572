import { createHash } from 'node:crypto';
import type { Clock, Random } from '@rozan/tunnel';
import { ApiFailure } from './api-error.ts';
import { CODE_MS, MAX_CODES, MAX_TOKENS, WRONG_CODES, WRONG_CODES_MS } from './limits.ts';

const KEY_BYTES = 32;

/** A look-up by hash takes the same time wherever a guess goes wrong. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function dropOldest(entries: Map<string, unknown> | Set<string>, most: number): void {
  const [oldest] = entries.keys();
  if (entries.size > most && oldest !== undefined) entries.delete(oldest);
}

/** One-time codes, and the tokens that they are exchanged for (docs/spec/client-api.md). In memory only, as hashes. */
export class AccessKeys {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #codes = new Map<string, number>();
  readonly #tokens = new Set<string>();
  #wrong: number[] = [];

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** A code that is good once, and for `CODE_MS`. */
  issueCode(): string {
    const code = this.#draw();
    this.#codes.set(hashOf(code), this.#clock.monotonicMs() + CODE_MS);
    dropOldest(this.#codes, MAX_CODES);
    return code;
  }

  /** The token for a code, which is used up with that. Throws an `ApiFailure` (`bad-code`, `too-many`). */
  exchange(code: string): string {
    const nowMs = this.#clock.monotonicMs();
    this.#wrong = this.#wrong.filter((atMs) => nowMs - atMs < WRONG_CODES_MS);
    if (this.#wrong.length >= WRONG_CODES)
      throw new ApiFailure('too-many', 'too many wrong codes; try again in a minute');
    const hash = hashOf(code);
    const untilMs = this.#codes.get(hash);
    this.#codes.delete(hash);
    if (untilMs === undefined || untilMs <= nowMs) {
      this.#wrong.push(nowMs);
      throw new ApiFailure('bad-code', 'this code is wrong, used or too old: open the app from its link again');
    }
    const token = this.#draw();
    this.#tokens.add(hashOf(token));
    dropOldest(this.#tokens, MAX_TOKENS);
    return token;
  }

  /** Whether a code that was issued is still to be used. */
  isOpen(code: string): boolean {
    return (this.#codes.get(hashOf(code)) ?? 0) > this.#clock.monotonicMs();
  }

  isToken(text: string): boolean {
    return this.#tokens.has(hashOf(text));
  }

  #draw(): string {
    return this.#random.bytes(KEY_BYTES).toString('base64url');
  }
}
