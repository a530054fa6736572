import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Lane, laneForBytes, soonest } from './schedule.ts';

interface Path {
  readonly rate: number;
  readonly wayMs: number;
  readonly inFlightBytes: number;
  readonly windowBytes: number;
}

class FakeLane implements Lane {
  readonly writable = true;
  readonly recordBytes = 1000;
  readonly path: Path;

  constructor(path: Path) {
    this.path = path;
  }

  readonly ledger = {
    deliveryMs: (bytes: number): number => (this.path.inFlightBytes + bytes) / this.path.rate + this.path.wayMs,
  };

  hasRoom(elsewhereBytes: number): boolean {
    return this.path.inFlightBytes + elsewhereBytes < this.path.windowBytes;
  }
}

const lane = (path: Partial<Path> = {}) =>
  new FakeLane({ rate: 100, wayMs: 10, inFlightBytes: 0, windowBytes: 10_000, ...path });

const ENDLESS = { waitingBytes: Number.POSITIVE_INFINITY, elsewhereBytes: 0 };

const path = fc.record({
  rate: fc.integer({ min: 1, max: 10_000 }),
  wayMs: fc.nat({ max: 500 }),
  inFlightBytes: fc.nat({ max: 100_000 }),
  windowBytes: fc.integer({ min: 1, max: 100_000 }),
});

describe('the choice between carriers', () => {
  it('gives a small frame to the one on which it arrives first', () => {
    const [near, far] = [lane(), lane({ wayMs: 100 })];
    assert.equal(soonest([far, near], 0), near);
    const busy = lane({ inFlightBytes: 20_000 });
    assert.equal(soonest([busy, far], 0), far);
    assert.equal(soonest([], 0), null);
  });

  it('gives bytes to the next best when the best is full and there is no end of them', () => {
    const full = lane({ inFlightBytes: 10_000 });
    const slow = lane({ rate: 10, wayMs: 50 });
    assert.equal(laneForBytes([full, slow], ENDLESS), slow);
  });

  it('waits for a quick one that would deliver all that is left before a slow one delivers a record', () => {
    const full = lane({ inFlightBytes: 10_000 });
    const slow = lane({ rate: 1, wayMs: 50 });
    assert.equal(laneForBytes([full, slow], { waitingBytes: 5000, elsewhereBytes: 0 }), null);
    assert.equal(laneForBytes([full, slow], ENDLESS), slow);
  });

  it('never picks a full one, and never waits without end of bytes while one has room', () => {
    fc.assert(
      fc.property(fc.array(path, { maxLength: 8 }), fc.nat({ max: 50_000 }), (paths, elsewhereBytes) => {
        const lanes = paths.map((one) => new FakeLane(one));
        const picked = laneForBytes(lanes, { ...ENDLESS, elsewhereBytes });
        const open = lanes.filter((one) => one.hasRoom(elsewhereBytes));
        if (open.length === 0) assert.equal(picked, null);
        else assert.ok(picked !== null && open.includes(picked));
      }),
    );
  });

  it('waits only for one that is full, so that its next acknowledgement ends the wait', () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 8 }), fc.nat({ max: 1_000_000 }), (paths, waitingBytes) => {
        const lanes = paths.map((one) => new FakeLane(one));
        const picked = laneForBytes(lanes, { waitingBytes, elsewhereBytes: 0 });
        const full = lanes.filter((one) => !one.hasRoom(0));
        if (picked === null) assert.ok(full.some((one) => one.path.inFlightBytes > 0));
      }),
    );
  });
});
