import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Burst } from './burst.ts';

/** Adds bytes that were sent and arrived at these times. */
const add = (burst: Burst, bytes: number, [sentMs, arrivedMs]: [number, number]) =>
  burst.add(bytes, { sentMs, arrivedMs, gapMs: 10 });

describe('Burst', () => {
  it('goes by the time that all but the first took to come', () => {
    const burst = new Burst();
    add(burst, 1000, [0, 500]);
    add(burst, 600, [0, 520]);
    add(burst, 400, [1, 550]);
    assert.deepEqual([burst.bytes, burst.rate], [2000, 20]);
  });

  it('says no more than at which the bytes were sent', () => {
    const burst = new Burst();
    for (const sentMs of [0, 10, 20]) add(burst, 100, [sentMs, 500]);
    assert.equal(burst.rate, 10);
  });

  it('begins anew after a gap, and when it is told to', () => {
    const burst = new Burst();
    add(burst, 1000, [0, 0]);
    add(burst, 70, [11, 11]);
    assert.equal(burst.bytes, 70);
    burst.end();
    add(burst, 5, [11, 11]);
    assert.deepEqual([burst.bytes, burst.rate], [5, 5]);
  });

  it('never says more than a burst of one millisecond', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 1e6 }), sentMs: fc.nat({ max: 20 }), wayMs: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1 }), (steps) => {
        const burst = new Burst();
        let sentMs = 0;
        for (const { bytes, sentMs: waitMs, wayMs } of steps) {
          sentMs += waitMs;
          add(burst, bytes, [sentMs, sentMs + wayMs]);
          assert.ok(burst.rate > 0 && burst.rate <= burst.bytes);
        }
      }),
    );
  });
});
