import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCAN_BOUNDS } from './constants.ts';
import { ScanBrake } from './scan-brake.ts';

const THRESHOLD = 8;

function fail(brake: ScanBrake, count: number, nowMs: number): void {
  for (let index = 0; index < count; index += 1) brake.noteFailure(`target ${index}`, nowMs);
}

test('a few failures slow nothing down, many do, ever more', () => {
  const brake = new ScanBrake(THRESHOLD, 0);
  fail(brake, THRESHOLD - 1, 0);
  assert.equal(brake.delayMs(0), 0);
  fail(brake, THRESHOLD, 0);
  assert.equal(brake.delayMs(0), SCAN_BOUNDS.firstDelayMs);
  fail(brake, THRESHOLD + 2, 0);
  assert.equal(brake.delayMs(0), 2 * SCAN_BOUNDS.firstDelayMs);
  fail(brake, 100 * THRESHOLD, 0);
  assert.ok(brake.delayMs(0) <= SCAN_BOUNDS.longestDelayMs);
  assert.ok(brake.delayMs(0) >= 8 * SCAN_BOUNDS.firstDelayMs);
});

test('one dead target, tried again and again, is no scan', () => {
  const brake = new ScanBrake(THRESHOLD, 0);
  for (let nowMs = 0; nowMs < SCAN_BOUNDS.windowMs; nowMs += 100) brake.noteFailure('the same', nowMs);
  assert.equal(brake.delayMs(SCAN_BOUNDS.windowMs), 0);
});

test('it is forgotten after the window', () => {
  const brake = new ScanBrake(THRESHOLD, 0);
  fail(brake, 2 * THRESHOLD, 0);
  assert.ok(brake.delayMs(SCAN_BOUNDS.windowMs / 2) > 0);
  assert.equal(brake.isEmpty(SCAN_BOUNDS.windowMs / 2), false);
  assert.equal(brake.delayMs(SCAN_BOUNDS.windowMs + 1), 0);
  assert.equal(brake.isEmpty(SCAN_BOUNDS.windowMs + 1), true);
  fail(brake, 2 * THRESHOLD, 2 * SCAN_BOUNDS.windowMs);
  assert.equal(brake.delayMs(10 * SCAN_BOUNDS.windowMs), 0);
});
