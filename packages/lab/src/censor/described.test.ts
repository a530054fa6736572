// Each policy against its published description: bytes in, verdict out. And each description against the rules themselves: whatever a rule asks, left
// out or moved by one step, is missed by some packet here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AGES_AND_PLACES } from '../testing/described/ages-and-places.ts';
import { CONNECTION_SHAPE } from '../testing/described/connection-shape.ts';
import { type Exact, type Measured, measure, verdictsOn } from '../testing/described/described.ts';
import { CHANCES, FULLY_ENCRYPTED } from '../testing/described/fully-encrypted.ts';
import { type Mutant, mutantsOf } from '../testing/described/mutants.ts';
import { NAMES, TRIES } from '../testing/described/names.ts';
import { PROTOCOLS } from '../testing/described/protocols.ts';
import { QUIC } from '../testing/described/quic.ts';
import { RATES } from '../testing/described/rates.ts';
import { cryptoFrame, QUIC_HELLO, quicInitial } from '../testing/described/wire-bytes.ts';
import { findPolicy, listPolicies } from './policies.ts';
import type { Policy } from './policy-file.ts';

const EXACT: readonly Exact[] = [
  ...AGES_AND_PLACES,
  ...CONNECTION_SHAPE,
  ...NAMES,
  ...QUIC,
  ...PROTOCOLS,
  ...FULLY_ENCRYPTED,
];
const MEASURED: readonly Measured[] = [...RATES, ...TRIES, ...CHANCES];
const POLICIES = listPolicies();
/** Changes that make no difference: what is left out or moved is implied by the rest. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  'C01-tls-reset': ['0.when.all.1.transport left out'],
  'C01-tls-drop': ['0.when.all.1.transport left out'],
  'C01-tls-rate': ['0.when.all.1.transport left out'],
  // The rule before it asks the same.
  C19: ['1.when.all.0.'],
  ...Object.fromEntries(
    ['C10-15', 'C10-5', 'C10-50'].map((id) => [
      id,
      ['0.when.any left out', '0.when.any.0.transport left out', '0.when.any.1.transport left out'],
    ]),
  ),
};

function policyFor(id: string, { settings = {} }: Pick<Exact, 'settings'>): Policy {
  return findPolicy(id, { settings: { [id]: settings } });
}

for (const description of EXACT) {
  for (const id of description.of) {
    test(`${id}: ${description.says}`, () => {
      const found = verdictsOn(policyFor(id, description), description);
      const wanted = description.steps.map(([, , verdict]) => verdict);
      const at = found.findIndex((verdict, index) => verdict !== wanted[index]);
      assert.equal(at, -1, `step ${at}, at ${description.steps[at]?.[0]} s: ${found[at]}, and not ${wanted[at]}`);
    });
  }
}

for (const description of MEASURED) {
  for (const id of description.of) {
    test(`${id}: ${description.says}`, () => {
      const value = measure(policyFor(id, description), description);
      assert.ok(value >= description.from && value <= description.to, `${value}`);
    });
  }
}

test('the Initial that is sent here is that of RFC 9001, appendix A.2', () => {
  const packet = quicInitial(cryptoFrame(0, QUIC_HELLO));
  assert.equal(packet.subarray(0, 24).toString('hex'), 'c000000001088394c8f03e5157080000449e7b9aec34d1b1');
  assert.equal(packet.subarray(-16).toString('hex'), 'e221af44860018ab0856972e194cd934');
});

/** Whether a description fails on a policy that has been changed; one with which the engine cannot work counts as well. */
function isMissedBy(mutant: Mutant, id: string): boolean {
  const exact = EXACT.filter(({ of }) => of.includes(id)).map((one) => () => {
    const policy = mutant.apply(policyFor(id, one));
    return policy === null || verdictsOn(policy, one).every((verdict, index) => verdict === one.steps[index]?.[2]);
  });
  const measured = MEASURED.filter(({ of }) => of.includes(id)).map((one) => () => {
    const policy = mutant.apply(policyFor(id, one));
    const value = policy === null ? null : measure(policy, one);
    return value === null || (value >= one.from && value <= one.to);
  });
  return [...exact, ...measured].some((holds) => {
    try {
      return !holds();
    } catch {
      return true;
    }
  });
}

for (const policy of POLICIES) {
  test(`${policy.id} is described, and nothing in its rules can be changed without a description that misses it`, () => {
    const kept = mutantsOf(policy).filter((mutant) => !isMissedBy(mutant, policy.id));
    const same = SAME[policy.id] ?? [];
    const unexplained = kept.map(({ what }) => what).filter((what) => !same.some((start) => what.startsWith(start)));
    assert.deepEqual(unexplained, []);
  });
}
