import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DETACHED_BOUNDS, SOURCE_BOUNDS, STRANGER_BOUNDS } from './constants.ts';
import { budgetBounds } from './memory-budget.ts';
import { workerBounds } from './worker-bounds.ts';

const MACHINE_BYTES = 16 * 2 ** 30;

test('one worker has everything', () => {
  const { budget, sources, strangers } = workerBounds(1, MACHINE_BYTES);
  assert.deepEqual(budget, budgetBounds(MACHINE_BYTES));
  assert.deepEqual({ ...SOURCE_BOUNDS, ...sources }, SOURCE_BOUNDS);
  assert.deepEqual({ ...STRANGER_BOUNDS, ...strangers }, STRANGER_BOUNDS);
});

test('several share memory, sessions and strangers', () => {
  for (const workers of [2, 4, 8]) {
    const { budget, sources, strangers } = workerBounds(workers, MACHINE_BYTES);
    assert.ok(budget.totalBytes * workers <= budgetBounds(MACHINE_BYTES).totalBytes);
    assert.equal(budget.perChannel * workers, DETACHED_BOUNDS.perChannel);
    assert.equal((sources.sessions ?? 0) * workers, SOURCE_BOUNDS.sessions);
    assert.equal((strangers.total ?? 0) * workers, STRANGER_BOUNDS.total);
  }
});

test('one session is never slowed by the division', () => {
  const { sources } = workerBounds(256, MACHINE_BYTES);
  assert.ok((sources.streamsPerPrefix ?? 0) >= SOURCE_BOUNDS.streamsPerSession);
  assert.ok((sources.dialsPerPrefix ?? 0) >= SOURCE_BOUNDS.dialsPerSession);
});
