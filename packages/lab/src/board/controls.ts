// Whether a censor bites at all: traffic that each rule file says it has to find, past the same rules.
import { hitRate } from '../censor/traffic.ts';
import type { LabPolicy } from './lab-policies.ts';
import type { Control } from './scoreboard.ts';

const TRIES = 40;

/** The hit rate of each policy on traffic that it is made to hit. */
export function runControls(policies: readonly LabPolicy[], seed: number): Control[] {
  return policies.flatMap(({ id, policies: rules }) =>
    rules.map((policy) => {
      const k = Math.round(hitRate(policy, { tries: TRIES, seed }) * TRIES);
      return { policy: id, traffic: policy.hits.map(({ traffic }) => traffic).join(', '), hit: { k, n: TRIES } };
    }),
  );
}
