import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../testing/manual-clock.ts';
import { SilencePatience } from './silence-patience.ts';

describe('patience with silence', () => {
  it('is halved by each stall, down to two seconds, and comes back when they are long ago', async () => {
    const clock = new ManualClock();
    const patience = new SilencePatience(clock, 5000);
    const waits = Array.from({ length: 6 }, () => {
      const { suspectMs } = patience;
      patience.noteStall();
      return suspectMs;
    });
    assert.deepEqual(waits, [5000, 2500, 2000, 2000, 2000, 2000]);
    await clock.advance(121_000);
    assert.equal(patience.suspectMs, 5000);
  });

  it('is never more than was asked for', () => {
    const patience = new SilencePatience(new ManualClock(), 800);
    patience.noteStall();
    assert.equal(patience.suspectMs, 800);
  });
});
