import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ReceiveWindow } from './receive-window.ts';

const BOUNDS = { initialBytes: 1000, maxBytes: 16_000 };

describe('ReceiveWindow', () => {
  it('moves only forward, never lets out more than its size, and never stops a peer for good', () => {
    const consumption = fc.record({ bytes: fc.nat({ max: 2000 }), waitMs: fc.nat({ max: 300 }) });
    fc.assert(
      fc.property(fc.array(consumption, { maxLength: 100 }), fc.nat({ max: 200 }), (steps, roundTripMs) => {
        const window = new ReceiveWindow(BOUNDS, 0);
        let nowMs = 0;
        let told = window.limit;
        for (const { bytes, waitMs } of steps) {
          nowMs += waitMs;
          const before = window.limit;
          const sent = Math.min(bytes, told - window.consumed);
          const limit = window.consume(sent, nowMs, roundTripMs);
          if (limit !== null) {
            assert.ok(limit > told);
            told = limit;
          }
          assert.ok(window.limit >= before);
          assert.equal(window.limit, told, 'a limit that moved has to be told');
          assert.ok(window.limit - window.consumed <= window.bytes);
          assert.ok(window.bytes <= BOUNDS.maxBytes);
          // What the peer may still send is never less than half of the window, so it is never stuck.
          assert.ok(window.limit - window.consumed >= window.bytes / 2);
        }
      }),
    );
  });

  it('grows while it is used up within two round trips, up to its bound', () => {
    const window = new ReceiveWindow(BOUNDS, 0);
    let nowMs = 0;
    for (let round = 0; round < 10; round += 1) {
      nowMs += 50;
      window.consume(window.bytes, nowMs, 50);
    }
    assert.equal(window.bytes, BOUNDS.maxBytes);
  });

  it('grows beside bytes that nobody reads, so that others find room, up to its bound', () => {
    const window = new ReceiveWindow(BOUNDS, 0);
    assert.equal(window.crowd(500), null);
    assert.equal(window.crowd(501), 2000);
    assert.equal(window.crowd(1000), null);
    assert.equal(window.consume(400, 10_000, 50), null);
    assert.equal(window.crowd(1401), 4400);
    for (let received = 1401; received < window.limit; received += 100) window.crowd(received);
    assert.equal(window.bytes, BOUNDS.maxBytes);
    assert.equal(window.limit, 400 + BOUNDS.maxBytes);
  });

  it('lets out all of a full-grown window beside bytes that nobody reads', () => {
    const window = new ReceiveWindow({ initialBytes: 16_000, maxBytes: 16_000 }, 0);
    assert.equal(window.consume(6000, 10_000, 50), null);
    assert.equal(window.crowd(14_000), null);
    assert.equal(window.crowd(14_001), 22_000);
    assert.equal(window.crowd(22_000), null);
  });

  it('grows at once to what a burst has shown, eight times at most', () => {
    const size = (burstMs: number) => {
      const window = new ReceiveWindow(BOUNDS, 0);
      window.consume(100, 100, 100);
      window.consume(400, 100 + burstMs, 100);
      return window.bytes;
    };
    assert.equal(size(0), 8000);
    assert.equal(size(8), 5000);
    assert.equal(size(20), 2000);
    // What came before the burst does not count.
    const window = new ReceiveWindow(BOUNDS, 0);
    window.consume(10, 20, 100);
    for (const nowMs of [100, 108]) window.consume(320, nowMs, 100);
    assert.equal(window.bytes, 4000);
  });

  it('tells of a large window often, and of a small one when half of it is used', () => {
    const tellings = (initialBytes: number) => {
      const window = new ReceiveWindow({ initialBytes, maxBytes: initialBytes }, 0);
      let count = 0;
      for (let share = 0; share < 64; share += 1) {
        if (window.consume(initialBytes / 64, share, 100) !== null) count += 1;
      }
      return count;
    };
    assert.deepEqual([256 * 1024, 2 ** 20, 2 ** 21, 2 ** 24].map(tellings), [2, 2, 4, 8]);
  });

  it('leaves room for others to grow, and gives back what it took', () => {
    const pool = { leftBytes: 16_000 };
    const windows = Array.from({ length: 10 }, () => new ReceiveWindow(BOUNDS, 0, pool));
    for (const window of windows) {
      const leftBytes = pool.leftBytes;
      for (let round = 0; round < 10; round += 1) window.consume(window.bytes, 0, 50);
      assert.ok(pool.leftBytes >= leftBytes / 8, 'one has taken nearly everything');
      assert.ok(window.bytes > BOUNDS.initialBytes || leftBytes < BOUNDS.initialBytes, 'one could not grow');
    }
    for (const window of windows) {
      window.release();
      window.release();
    }
    assert.equal(pool.leftBytes, 16_000);
  });

  it('begins with what is known of the path, and leaves the reserve to those that need it', () => {
    const pool = { leftBytes: 16_000 };
    const widened = (toBytes: number) => {
      const window = new ReceiveWindow(BOUNDS, 0, pool);
      const limit = window.widen(toBytes, 4000);
      assert.equal(window.limit, limit ?? BOUNDS.initialBytes);
      assert.equal(window.bytes, window.limit);
      return { window, limit };
    };
    const first = widened(8000);
    assert.equal(first.limit, 8000);
    assert.equal(widened(8000).limit, 6000);
    assert.equal(pool.leftBytes, 4000);
    assert.equal(widened(8000).limit, null);
    first.window.release();
    assert.equal(widened(1999).limit, null, 'a small step is not worth a frame');
    assert.equal(widened(5000).limit, 5000);
  });

  it('stays as it is with a slow reader', () => {
    const window = new ReceiveWindow(BOUNDS, 0);
    for (let round = 1; round <= 10; round += 1) window.consume(600, round * 1000, 50);
    assert.equal(window.bytes, BOUNDS.initialBytes);
    assert.equal(window.consumed, 6000);
    assert.equal(window.limit, 7000);
  });
});
