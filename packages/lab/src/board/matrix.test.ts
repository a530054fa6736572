import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findLabPolicy, listLabPolicies } from './lab-policies.ts';
import { headlines, planFor } from './matrix.ts';
import type { MatrixScenario } from './scenario-file.ts';

const SCENARIO: MatrixScenario = {
  kind: 'matrix',
  title: 'x',
  policies: ['*'],
  subjects: ['*'],
  adaptiveSessions: 60,
  variantSessions: 20,
  otherSessions: 5,
  survivalBytes: 50_000_000,
  benignTimes: 0,
};

test('the first variant of each entry is a headline', () => {
  const policies = listLabPolicies();
  const first = headlines(policies);
  assert.equal(first.size, new Set(policies.map(({ id }) => id.slice(0, 3))).size);
  assert.ok(first.has('C01-tls-reset') && !first.has('C01-tls-drop') && first.has('C04'));
});

test('the adaptive client is tried more often, most of all in headlines; what is hopeless is given up', () => {
  const plan = (id: string, isAdaptive: boolean, isHeadline: boolean) =>
    planFor(SCENARIO, findLabPolicy(id), { isAdaptive, isHeadline });
  assert.equal(plan('C04', true, true).sessions, 60);
  assert.equal(plan('C04', true, true).giveUpAfter, 60);
  assert.equal(plan('C01-tls-drop', true, false).sessions, 20);
  assert.equal(plan('C04', false, true).sessions, 5);
  assert.ok(plan('C04', false, true).giveUpAfter < 5);
  assert.ok(plan('C09-total', true, true).giveUpAfter < 60);
});

test('a long download outlasts an age, and lasts a minute on a slow line', () => {
  const of = (id: string) => planFor(SCENARIO, findLabPolicy(id), { isAdaptive: true, isHeadline: true }).survival;
  const { bytes = 0, rate = 0 } = of('C01-tls-reset') ?? {};
  assert.ok(bytes === 50_000_000 && bytes / rate > 60);
  assert.deepEqual(of('C02-5'), { bytes: 375_000, rate: 0, capMs: 180_000 });
});

test('a page on a slow line has the time that it takes there, twice', () => {
  const of = (id: string) => planFor(SCENARIO, findLabPolicy(id), { isAdaptive: true, isHeadline: true }).attemptMs;
  assert.equal(of('C04'), 10_000);
  assert.ok(of('C02-5') > 16_000 && of('C02-1') > 80_000);
});
