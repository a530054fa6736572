import { SeededRandom } from '../../packages/tunnel/src/testing/seeded-random.ts';
import { type Coverage, startCoverage } from './coverage.ts';
import { minimise } from './minimise.ts';
import { mutate } from './mutate.ts';
import { type FuzzTarget, refusalOf } from './target.ts';

/** Executions between two looks at the coverage, which cost about as much as a thousand of them: more while nothing new turns up. */
const MIN_BATCH = 256;
const MAX_BATCH = 8192;

/** Executions between two looks at the time. */
const TIME_STEP = 64;

/** Signatures and inputs that are remembered at most; beyond, only new coverage counts. */
const MAX_SIGNATURES = 2000;
const MAX_INPUTS = 4000;

/** How long and how a target is fuzzed. */
export interface FuzzOptions {
  readonly seed: number;
  readonly corpus: readonly Buffer[];
  /** Ends after so many executions. */
  readonly maxExecutions: number;
  /** Asked between batches: ends when it says so. */
  readonly isOver?: () => boolean;
  /** Told of every input before it runs. */
  readonly onInput?: (input: Buffer) => void;
  /** Told between executions that none is running. */
  readonly onPause?: (executions: number) => void;
}

/** What came of fuzzing a target. */
export interface FuzzReport {
  readonly executions: number;
  /** Inputs that reached something new and were not in the corpus. */
  readonly newInputs: readonly Buffer[];
  readonly coveredCharacters: number;
  readonly finding: Finding | null;
}

/** An input that makes a target do what it must not. */
export interface Finding {
  readonly input: Buffer;
  readonly description: string;
}

/** Runs one input. Gives its signature, or what is wrong. */
export function execute(target: FuzzTarget, input: Buffer): { signature: string } | { failure: string } {
  try {
    return { signature: target.run(input) };
  } catch (error) {
    if (error instanceof Error && target.allowedErrors.includes(error.name)) {
      return { signature: `refused ${refusalOf(error)}` };
    }
    return { failure: error instanceof Error ? (error.stack ?? String(error)) : `threw ${String(error)}` };
  }
}

/** Fuzzes one target in this thread until it fails, or time or executions are up. */
export function fuzzTarget(target: FuzzTarget, options: FuzzOptions): FuzzReport {
  const coverage = startCoverage();
  try {
    return new Run(target, options, coverage).all();
  } finally {
    coverage.stop();
  }
}

class Run {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #coverage: Coverage;
  readonly #random: SeededRandom;
  readonly #signatures = new Set<string>();
  readonly #inputs: Buffer[] = [];
  readonly #newInputs: Buffer[] = [];
  #executions = 0;
  #batchSize = MIN_BATCH;
  #failing: Buffer | null = null;

  constructor(target: FuzzTarget, options: FuzzOptions, coverage: Coverage) {
    this.#target = target;
    this.#options = options;
    this.#coverage = coverage;
    this.#random = new SeededRandom(options.seed);
  }

  all(): FuzzReport {
    for (const input of [...this.#target.seeds, ...this.#options.corpus]) this.#begin(input);
    while (this.#failing === null && !this.#isOver()) this.#batch();
    return {
      executions: this.#executions,
      newInputs: this.#newInputs,
      coveredCharacters: this.#coverage.size,
      finding: this.#failing === null ? null : this.#describe(this.#failing),
    };
  }

  /** Inputs that are known count as known, whatever they reach. */
  #begin(input: Buffer): void {
    if (this.#failing !== null) return;
    this.#execute(input);
    this.#coverage.hasGrown();
    this.#inputs.push(input);
    this.#options.onPause?.(this.#executions);
  }

  #batch(): void {
    const source = {
      random: this.#random,
      corpus: this.#inputs,
      dictionary: this.#target.dictionary ?? [],
      maxBytes: this.#target.maxBytes,
    };
    const tried: Buffer[] = [];
    const known = this.#newInputs.length;
    for (let count = 0; count < this.#batchSize && this.#failing === null; count++) {
      if (count % TIME_STEP === 0 && this.#isOver()) break;
      const input = mutate(this.#choose(), source);
      const isNew = this.#execute(input);
      if (isNew) this.#keep(input);
      else tried.push(input);
    }
    this.#options.onPause?.(this.#executions);
    const hasGrown = this.#failing === null && this.#coverage.wouldGrow();
    this.#batchSize = hasGrown ? MIN_BATCH : Math.min(MAX_BATCH, this.#batchSize * 2);
    if (!hasGrown) return;
    this.#attribute(tried);
    // What is left was reached by inputs that are kept already, or does not depend on the input.
    for (const input of this.#newInputs.slice(known)) this.#execute(input);
    this.#coverage.hasGrown();
  }

  #isOver(): boolean {
    return this.#executions >= this.#options.maxExecutions || this.#options.isOver?.() === true;
  }

  /** The shorter of two inputs, one of them from those that were found last. */
  #choose(): Buffer {
    const { length } = this.#inputs;
    const any = this.#inputs[this.#random.below(length)] ?? Buffer.alloc(0);
    const recent = this.#inputs[length - 1 - this.#random.below(Math.min(length, 20))] ?? any;
    return any.length < recent.length ? any : recent;
  }

  /** Finds the inputs that made the coverage grow, by halves. */
  #attribute(inputs: readonly Buffer[]): void {
    if (inputs.length === 0) return;
    for (const input of inputs) this.#execute(input);
    this.#options.onPause?.(this.#executions);
    const [input] = inputs;
    if (inputs.length === 1 && input !== undefined) {
      if (this.#coverage.hasGrown()) this.#keep(input);
      return;
    }
    if (!this.#coverage.wouldGrow()) return;
    const middle = inputs.length >> 1;
    this.#attribute(inputs.slice(0, middle));
    this.#attribute(inputs.slice(middle));
  }

  #keep(input: Buffer): void {
    if (this.#inputs.length >= MAX_INPUTS) return;
    const copy = Buffer.from(input);
    this.#inputs.push(copy);
    this.#newInputs.push(copy);
  }

  /** Runs one input; says whether its signature is new. */
  #execute(input: Buffer): boolean {
    this.#options.onInput?.(input);
    this.#executions++;
    const outcome = execute(this.#target, input);
    if ('failure' in outcome) {
      this.#failing ??= Buffer.from(input);
      return false;
    }
    if (this.#signatures.has(outcome.signature) || this.#signatures.size >= MAX_SIGNATURES) return false;
    this.#signatures.add(outcome.signature);
    return true;
  }

  #describe(failing: Buffer): Finding {
    const input = minimise(failing, (candidate) => {
      this.#options.onInput?.(candidate);
      return 'failure' in execute(this.#target, candidate);
    });
    this.#options.onPause?.(this.#executions);
    const outcome = execute(this.#target, input);
    return { input, description: 'failure' in outcome ? outcome.failure : 'does not fail every time' };
  }
}
