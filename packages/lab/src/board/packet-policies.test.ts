import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findLabPolicy, listLabPolicies } from './lab-policies.ts';
import { packetFormOf } from './packet-policies.ts';

const CLIENT = '10.81.1.2';

describe('packet forms of policies', () => {
  it('keep the id of the catalogue, and every one of them counts what it does', () => {
    const forms = listLabPolicies().flatMap((policy) => packetFormOf(policy, CLIENT) ?? []);
    assert.ok(forms.length >= 15);
    for (const { id, rules } of forms) {
      assert.equal(findLabPolicy(id).id, id);
      assert.ok(
        rules.some((rule) => rule.includes('counter')),
        id,
      );
    }
  });

  it('take age and rate from the policy', () => {
    assert.match(packetFormOf(findLabPolicy('C01-tls-reset'), CLIENT)?.sets?.[0] ?? '', /timeout 60s/);
    assert.equal(packetFormOf(findLabPolicy('C02-5'), CLIENT)?.allowedRate, 6250);
  });

  it('do not exist of what looks into packets', () => {
    for (const id of ['C13-cn', 'C25-paper', 'C31']) assert.equal(packetFormOf(findLabPolicy(id), CLIENT), null);
  });
});
