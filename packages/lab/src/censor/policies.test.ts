import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listPolicies } from './policies.ts';
import { hitRate, sendPast } from './traffic.ts';

const POLICIES = listPolicies();

for (const policy of POLICIES) {
  test(`${policy.id} finds what it was written for, and spares the rest`, () => {
    const chances = policy.rules.map(({ chance = 1 }) => chance);
    const chance = Math.min(...chances);
    const tries = chance < 1 ? 600 : policy.hits.length * 5;
    const rate = hitRate(policy, { tries, seed: 1 });
    // Of samples, four standard deviations.
    const error = 4 * Math.sqrt((chance * (1 - chance)) / tries);
    assert.ok(Math.abs(rate - chance) <= error, `hit rate ${rate}, expected ${chance}`);
    for (const traffic of policy.spares) {
      for (let seed = 0; seed < 40; seed++) {
        const { isHit, outcome } = sendPast(policy, traffic, seed);
        assert.equal(isHit, false, `${JSON.stringify(traffic)} is met with ${outcome}`);
      }
    }
  });
}
