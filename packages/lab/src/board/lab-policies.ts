// The catalogue as the board needs it: which policy acts at an age, and which limits what a user may have.

import type { Env } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { createMiddlebox, type Middlebox } from '../censor/middlebox.ts';
import { findPolicy, listPolicies } from '../censor/policies.ts';
import { type Policy, PolicyError, parseSettings } from '../censor/policy-file.ts';
import { createSeededRandom } from './seeded-random.ts';

/** The first probes of real ones come after a third of a second to hours; the lab does not wait for the hours. */
const MOST_PROBE_DELAY_MS = 2_000;

/** A policy of the catalogue, and what a cell has to know of it. */
export interface LabPolicy {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly hopeless?: string | undefined;
  /** How long a download has to last for the policy to meet it; 0 where age does not matter. */
  readonly lastsMs: number;
  /** What it lets one user have, in bytes a second; null where it does not limit all that a user does. */
  readonly allowedRate: number | null;
  /** Whether it sends probes to servers. */
  readonly isProbing: boolean;
  /** None for no censor at all. */
  readonly policies: readonly Policy[];
}

/** No censor: the control of the lab itself. */
export const OPEN: LabPolicy = {
  id: 'open',
  name: 'no censor',
  source: 'control',
  lastsMs: 0,
  allowedRate: null,
  isProbing: false,
  policies: [],
};

function describe(policy: Policy): LabPolicy {
  const { id, name, source, hopeless, parameters, rules } = policy;
  const text = JSON.stringify(rules);
  const [, age = '0'] = /"age":\{"from":(\d+)/.exec(text) ?? [];
  const { bytesPerSecond } = parameters;
  const isForAll = typeof bytesPerSecond === 'number' && text.includes('"per":"client"');
  return {
    id,
    name,
    source: source.map(({ ref, certainty }) => `${ref} [${certainty}]`).join('; '),
    hopeless,
    lastsMs: Number(age) * 1000,
    allowedRate: isForAll ? bytesPerSecond : null,
    isProbing: text.includes('"probe":'),
    policies: [policy],
  };
}

/** All policies of the catalogue. */
export function listLabPolicies(): LabPolicy[] {
  return listPolicies().map(describe);
}

/** A policy by its id, with a number of its own if one is given: `C02-5.bytesPerSecond=125000`. Throws a `ProgramError` (usage). */
export function findLabPolicy(text: string): LabPolicy {
  try {
    const settings = text.includes('=') ? parseSettings([text]) : {};
    return describe(findPolicy(text.replace(/\..*$/, ''), { settings }));
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, `there is no policy '${text}'`, {
      cause,
      remedy: '`rozan lab list` names them.',
    });
  }
}

/** A censor with these policies, which draws alike for the same seed. */
export function startCensor(env: Env, policies: readonly LabPolicy[], seed: number): Middlebox {
  return createMiddlebox(
    policies.flatMap((policy) => policy.policies),
    env,
    { random: createSeededRandom(seed), prober: { mostDelayMs: MOST_PROBE_DELAY_MS } },
  );
}
