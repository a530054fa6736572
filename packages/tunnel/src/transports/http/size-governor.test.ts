import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, integer, property, record } from 'fast-check';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { LEAST_PACED_BYTES, MESSAGE_BYTES } from './limits.ts';
import { SizeGovernor } from './size-governor.ts';

const ROUND_TRIP_MS = 100;

/** The size after messages that share a line of so many bytes a millisecond, so many of them at a time. */
function settledBytes(path: { bytesPerMs: number; sideBySide: number }): number {
  const governor = new SizeGovernor({ maxBytes: MESSAGE_BYTES.default, maxAgeMs: 18_000 });
  let nowMs = 0;
  for (let count = 0; count < 100; count += 1) {
    const cycleMs = (path.sideBySide * governor.bytes) / path.bytesPerMs;
    nowMs += cycleMs;
    const onLineMs = Math.max(0, cycleMs - ROUND_TRIP_MS);
    governor.passed(governor.bytes, { nowMs, onLineMs, roundTripMs: ROUND_TRIP_MS });
  }
  return governor.bytes;
}

test('on a full line messages are as large as keeps it full, and no more of them waits than another round trip or so brings', () => {
  const path = record({ bytesPerMs: integer({ min: 1500, max: 6000 }), sideBySide: integer({ min: 3, max: 5 }) });
  check(
    property(path, ({ bytesPerMs, sideBySide }) => {
      const onWay = sideBySide * settledBytes({ bytesPerMs, sideBySide });
      const heldByPath = bytesPerMs * ROUND_TRIP_MS;
      const isAtMost = onWay === sideBySide * MESSAGE_BYTES.default;
      assert.ok(isAtMost || onWay >= 1.8 * heldByPath, `${onWay} bytes on a path that holds ${heldByPath}`);
      assert.ok(onWay <= 3.2 * heldByPath, `${onWay} bytes on a path that holds ${heldByPath}`);
    }),
  );
});

test('a line that is not full has them as large as they may be, and a slow one not smaller than is worth its head', () => {
  assert.equal(settledBytes({ bytesPerMs: 1e6, sideBySide: 4 }), MESSAGE_BYTES.default);
  const slowest = settledBytes({ bytesPerMs: 200, sideBySide: 4 });
  assert.equal(slowest, LEAST_PACED_BYTES);
});

test('a moment in which nothing moves makes none smaller, a queue that stays does', () => {
  const governor = new SizeGovernor({ maxBytes: MESSAGE_BYTES.default, maxAgeMs: 18_000 });
  const before = governor.bytes;
  const slow = (nowMs: number) => governor.passed(governor.bytes, { nowMs, onLineMs: 250, roundTripMs: ROUND_TRIP_MS });
  slow(300);
  slow(310);
  slow(320);
  assert.equal(governor.bytes, before, 'they waited side by side');
  slow(700);
  assert.ok(governor.bytes < before);
});

test('what is cut is halved down to the least, and messages of one size are drawn from its upper half', () => {
  const governor = new SizeGovernor({ maxBytes: MESSAGE_BYTES.default, maxAgeMs: 18_000 });
  const random = new SeededRandom(1);
  for (let count = 0; count < 20; count += 1) {
    const drawn = governor.draw(random);
    assert.ok(drawn >= governor.bytes / 2 && drawn <= governor.bytes);
    governor.cut();
  }
  assert.equal(governor.bytes, MESSAGE_BYTES.least);
});
