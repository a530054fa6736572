// A policy with one thing in its rules changed: a condition left out, a number moved by the least step, an element taken from a list. A description that
// is met by such a one as well does not hold the policy to anything there.
import type { Policy } from '../../censor/policy-file.ts';

/** A change, and the policy with it. */
export interface Mutant {
  /** Where, as `0.when.age.from 60 → 61`. */
  readonly what: string;
  /** Makes the same change in another instance of the policy (with other settings); null where that has nothing there. */
  apply(policy: Policy): Policy | null;
}

type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json };
type Path = readonly (string | number)[];

/** Numbers that no source has and no verdict shows: how much may burst through a policer. */
const FREE = new Set(['burstBytes']);
/** So few bytes a second stand for none. */
const NEXT_TO_NOTHING = 10;
/** What the form of rule files has in a place that says nothing. */
const DEFAULTS: readonly (readonly [key: string, value: Json])[] = [
  ['direction', 'both'],
  ['how', 'drop'],
  ['renew', 'no'],
  ['match', 'suffix'],
  ['match', 'exact'],
  ['packet', 1],
];
/** Left out, these are what they are anyhow, or name what they belong to. */
const NAMES = new Set(['name', 'per', 'battery', 'text']);
/** Rates, shares and measures move by a fifth, counts by one. */
const FIFTH = new Set(['bytesPerSecond', 'share', 'chance']);

function movesOf(key: string, value: number): number[] {
  if (FREE.has(key) || (key === 'bytesPerSecond' && value < NEXT_TO_NOTHING)) return [];
  if (key === 'chance') return [value * 0.8, Math.min(1, value * 1.2)];
  if (FIFTH.has(key) || !Number.isInteger(value)) return [value * 0.8, value * 1.2];
  return [value - 1, value + 1];
}

/** The value with the one at `path` replaced; `undefined` takes it out. */
function replaced(root: Json, [step, ...rest]: Path, value: Json): Json {
  if (step === undefined) return value;
  if (Array.isArray(root)) {
    const inner = replaced(root[Number(step)], rest, value);
    return inner === undefined ? root.toSpliced(Number(step), 1) : root.with(Number(step), inner);
  }
  const object = root as { readonly [key: string]: Json };
  return { ...object, [step]: replaced(object[step], rest, value) };
}

function has(root: Json, path: Path): boolean {
  let at: Json = root;
  for (const step of path) at = (at as { readonly [key: string]: Json } | undefined)?.[step];
  return at !== undefined;
}

function* changes(value: Json, path: Path): Generator<readonly [path: Path, text: string, value: Json]> {
  const key = String(path.at(-1) ?? '');
  const named = path.findLast((step) => typeof step === 'string') ?? '';
  if (typeof value === 'number') {
    for (const moved of movesOf(String(named), value)) if (moved !== value) yield [path, `${value} → ${moved}`, moved];
  } else if (typeof value === 'boolean') {
    if (!value) yield [path, 'false → true', true];
  } else if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) {
      if (value.length > 1) yield [[...path, index], 'left out', undefined];
      yield* changes(inner, [...path, index]);
    }
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, inner]) => inner !== undefined);
    for (const [name, inner] of members) {
      const isDefault = DEFAULTS.some(([one, usual]) => one === name && usual === inner);
      const isPart =
        !isDefault &&
        !FREE.has(name) &&
        !NAMES.has(name) &&
        name !== 'when' &&
        name !== 'do' &&
        path.length > 1 &&
        key !== '';
      if (isPart && typeof inner !== 'boolean' && (members.length > 1 || path.at(1) === 'when'))
        yield [[...path, name], 'left out', undefined];
      yield* changes(inner, [...path, name]);
    }
  }
}

/** All changes of a policy's rules. */
export function mutantsOf(policy: Policy): Mutant[] {
  // Rules come from a file of text, and are nothing but what such a file can hold.
  const rules = policy.rules as unknown as Json;
  return [...changes(rules, [])].map(([path, text, value]) => ({
    what: `${path.join('.')} ${text}`,
    apply: (other) => {
      const own = other.rules as unknown as Json;
      if (!has(own, path)) return null;
      return { ...other, rules: replaced(own, path, value) as unknown as Policy['rules'] };
    },
  }));
}
