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

  it('leaves room for others to grow, and gives back what it took', () => {
    const pool = { leftBytes: 16_000 };
    const windows = Array.from({ length: 10 }, () => new ReceiveWindow(BOUNDS, 0, pool));
    for (const window of windows) for (let round = 0; round < 10; round += 1) window.consume(window.bytes, 0, 50);
    assert.deepEqual(
      windows.map(({ bytes }) => bytes),
      [8000, 4000, 4000, 2000, 2000, 1000, 1000, 1000, 1000, 1000],
    );
    for (const window of windows) {
      window.release();
      window.release();
    }
    assert.equal(pool.leftBytes, 16_000);
  });

  it('stays as it is with a slow reader', () => {
    const window = new ReceiveWindow(BOUNDS, 0);
    for (let round = 1; round <= 10; round += 1) window.consume(600, round * 1000, 50);
    assert.equal(window.bytes, BOUNDS.initialBytes);
    assert.equal(window.consumed, 6000);
    assert.equal(window.limit, 7000);
  });
});
