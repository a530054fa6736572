/** Something that reads bytes from outside, as the fuzzer sees it. */
export interface FuzzTarget {
  readonly name: string;
  /**
   * Reads `input` and checks what must hold. Returns a few words on what happened, by which the fuzzer tells a new behaviour from a known
   * one. Throws an error of `allowedErrors` when the input is refused; whatever else it throws is a finding.
   */
  readonly run: (input: Buffer) => string;
  /** Inputs to begin with, beside those of the corpus. */
  readonly seeds: readonly Buffer[];
  /** The longest input that is tried. */
  readonly maxBytes: number;
  /** Byte strings that mean something to the decoder. */
  readonly dictionary?: readonly Buffer[];
  /** Names of the error classes by which it refuses. */
  readonly allowedErrors: readonly string[];
}

/** Raised by a target when something does not hold; always a finding. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Throws an `InvariantError` unless `condition` holds. */
export function holds(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** What `read` gives, or the refusal that it throws; anything else goes through. For comparing two ways of reading the same. */
export function outcomeOf<T>(read: () => T, allowedErrors: readonly string[]): { value: T } | { refused: string } {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof Error) || !allowedErrors.includes(error.name)) throw error;
    return { refused: refusalOf(error) };
  }
}

/** A refusal in a word: the error's typed code. */
export function refusalOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
