import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForwardLimits } from './forward-limits.ts';

const BOUNDS = {
  carriers: 4,
  carriersPerSibling: 3,
  carriersPerSource: 2,
  pending: 3,
  pendingPerSource: 2,
  arrivalsPerSibling: 2,
};
const NEAR = { key: 'near', isLocal: false };
const FAR = { key: 'far', isLocal: false };
const LOCAL = { key: 'local', isLocal: true };

test('requests are counted in all and by source, and given back once', () => {
  const limits = new ForwardLimits(BOUNDS);
  const end = limits.beginRequest(NEAR);
  assert.ok(end !== null && limits.beginRequest(NEAR) !== null);
  assert.equal(limits.beginRequest(NEAR), null, 'the source is at its cap');
  assert.ok(limits.beginRequest(FAR) !== null);
  assert.equal(limits.beginRequest(FAR), null, 'all are');
  end();
  end();
  assert.ok(limits.beginRequest(FAR) !== null);
  assert.equal(limits.beginRequest(NEAR), null);
});

test('a program of this machine, which stands for everyone, has no cap of its own', () => {
  const limits = new ForwardLimits(BOUNDS);
  for (let count = 0; count < 3; count += 1) assert.ok(limits.beginRequest(LOCAL) !== null);
  for (let count = 0; count < 3; count += 1) assert.ok(limits.beginCarrier(LOCAL, 'one') !== null);
});

test('carriers are counted in all, by sibling and by source', () => {
  const limits = new ForwardLimits(BOUNDS);
  const ends = [limits.beginCarrier(NEAR, 'one'), limits.beginCarrier(NEAR, 'one')];
  assert.equal(limits.beginCarrier(NEAR, 'two'), null, 'the source is at its cap');
  ends.push(limits.beginCarrier(FAR, 'one'));
  assert.equal(limits.beginCarrier(FAR, 'one'), null, 'the sibling is');
  ends.push(limits.beginCarrier(FAR, 'two'));
  assert.equal(limits.beginCarrier(LOCAL, 'two'), null, 'all are');
  assert.equal(limits.carriers, 4);
  for (const end of ends) end?.();
  for (const end of ends) end?.();
  assert.equal(limits.carriers, 0);
  assert.ok(limits.beginCarrier(NEAR, 'one') !== null);
});

test('what comes from a sibling is counted by sibling', () => {
  const limits = new ForwardLimits(BOUNDS);
  const end = limits.beginArrival('one');
  assert.ok(end !== null && limits.beginArrival('one') !== null);
  assert.equal(limits.beginArrival('one'), null);
  assert.ok(limits.beginArrival('two') !== null);
  end();
  assert.ok(limits.beginArrival('one') !== null);
});
