import type { Ask } from './ask.ts';
import { agesOf, compileCondition } from './conditions.ts';
import type { Action, Rule } from './schema.ts';
import type { Cause } from './verdict.ts';

/** A rule that can be asked. */
export interface CompiledRule {
  readonly cause: Cause;
  readonly ask: Ask;
  readonly chance: number | undefined;
  readonly action: Action;
  /** The ages in ms at which its answer may change by itself. */
  readonly ages: readonly number[];
}

/** Makes a rule of a policy into one that can be asked. */
export function compileRule(policy: string, { name, when, chance, do: action }: Rule): CompiledRule {
  return { cause: { policy, rule: name }, ask: compileCondition(when), chance, action, ages: agesOf(when) };
}
