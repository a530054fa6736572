import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CarrierLedger } from './carrier-ledger.ts';
import { CLOCK_OFFSET_MS, type LinkState, SimulatedLink } from './testing/simulated-link.ts';

const KIB = 1024;
const BOUNDS = { initialBytes: 64 * KIB, minBytes: 16 * KIB, maxBytes: 24 * 1024 * KIB, queueMs: 100 };
const QUIET_BYTES = 200;
const START = { nowMs: 0, roundTripMs: 100, rate: 0 };

type Step =
  | { readonly kind: 'send'; readonly bytes: number; readonly items: number; readonly skip: number }
  | { readonly kind: 'acknowledge'; readonly records: number };

const step: fc.Arbitrary<{ readonly waitMs: number; readonly action: Step }> = fc.record({
  waitMs: fc.nat({ max: 50 }),
  action: fc.oneof(
    fc
      .tuple(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 3 }), fc.nat({ max: 2 }))
      .map(([bytes, items, skip]): Step => ({ kind: 'send', bytes, items, skip })),
    fc.nat({ max: 60 }).map((records): Step => ({ kind: 'acknowledge', records })),
  ),
});

/** Plays the same on a ledger and on a list, and compares. */
class Driver {
  readonly #ledger = new CarrierLedger<number>(BOUNDS, START);
  #expected: { record: number; bytes: number; items: number[] }[] = [];
  #nextRecord = 0;
  #nextItem = 0;
  /** Of each record. */
  readonly #bytes: number[] = [];
  #arrivedRecords = 0;

  play(action: Step, nowMs: number): void {
    if (action.kind === 'send') {
      for (let quiet = 0; quiet < action.skip; quiet += 1) {
        this.#ledger.sentQuietly(this.#nextRecord, QUIET_BYTES);
        this.#bytes.push(QUIET_BYTES);
        this.#nextRecord += 1;
      }
      this.#bytes.push(action.bytes);
      const items = Array.from({ length: action.items }, () => this.#nextItem++);
      this.#ledger.sent(this.#nextRecord, { bytes: action.bytes, idle: action.skip > 0, items }, nowMs);
      this.#expected.push({ record: this.#nextRecord, bytes: action.bytes, items });
      this.#nextRecord += 1;
    } else {
      this.#arrivedRecords = Math.max(this.#arrivedRecords, Math.min(action.records, this.#nextRecord));
      const done = this.#expected.filter(({ record }) => record < action.records);
      this.#expected = this.#expected.filter(({ record }) => record >= action.records);
      const items = done.flatMap((entry) => entry.items);
      assert.deepEqual(this.#ledger.acknowledge(action.records, nowMs), items);
    }
    this.#check();
  }

  #check(): void {
    const inFlight = this.#expected.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.equal(this.#ledger.inFlightBytes, inFlight);
    assert.equal(this.#ledger.outstanding, this.#expected.length > 0);
    const { windowBytes, rate, leastRttMs, smoothedRttMs } = this.#ledger;
    assert.ok(windowBytes >= BOUNDS.minBytes && windowBytes <= BOUNDS.maxBytes, `a window of ${windowBytes}`);
    assert.ok(rate >= 0 && Number.isFinite(rate));
    assert.ok(leastRttMs <= smoothedRttMs + 1e-9);
    const arrived = this.#bytes.slice(0, this.#arrivedRecords).reduce((sum, bytes) => sum + bytes, 0);
    assert.equal(this.#ledger.arrivedBytes, arrived);
  }

  finish(): void {
    assert.deepEqual(
      this.#ledger.takeAll(),
      this.#expected.flatMap(({ items }) => items),
    );
    this.#expected = [];
    this.#check();
  }
}

/** A sender with always more to send, over a path of `rate` bytes per millisecond and `delayMs` each way. */
function link(path: { rateAt: (nowMs: number) => number; delayMs: number; recordBytes: number }): SimulatedLink {
  return new SimulatedLink({ ...path, bounds: BOUNDS, ackRecords: 2, ackDelayMs: 20 });
}

/** The link's throughput over a while, and the longest queue, both as the path would have it. */
function measure(simulation: SimulatedLink, durationMs: number): { rate: number; queueBytes: number } {
  const states: LinkState[] = [];
  simulation.run(durationMs, (state) => states.push(state));
  const delivered = (states.at(-1)?.deliveredBytes ?? 0) - (states[0]?.deliveredBytes ?? 0);
  return { rate: delivered / durationMs, queueBytes: Math.max(...states.map(({ queueBytes }) => queueBytes)) };
}

describe('CarrierLedger', () => {
  it('knows what is in flight, whatever is acknowledged in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const driver = new Driver();
        let nowMs = 0;
        for (const { waitMs, action } of steps) {
          nowMs += waitMs;
          driver.play(action, nowMs);
        }
        driver.finish();
      }),
    );
  });

  it('stays in step over many records', () => {
    const driver = new Driver();
    for (let record = 0; record < 3000; record += 1) {
      driver.play({ kind: 'send', bytes: 100, items: 1, skip: 0 }, record);
      if (record > 5) driver.play({ kind: 'acknowledge', records: record - 5 }, record);
    }
    driver.finish();
  });

  it('begins with the window of its bounds, or with what is known of the path', () => {
    assert.equal(new CarrierLedger(BOUNDS, START).windowBytes, BOUNDS.initialBytes);
    const known = new CarrierLedger(BOUNDS, { ...START, rate: 1000 });
    assert.equal(known.windowBytes, 1000 * (100 + 100));
    assert.equal(new CarrierLedger(BOUNDS, { ...START, rate: 1e9 }).windowBytes, BOUNDS.maxBytes);
    assert.equal(new CarrierLedger(BOUNDS, { ...START, rate: 1 }).windowBytes, BOUNDS.minBytes);
  });

  it('takes the round trip that it is told', () => {
    const ledger = new CarrierLedger(BOUNDS, { ...START, roundTripMs: 0 });
    ledger.seedRoundTrip(80);
    assert.equal(ledger.smoothedRttMs, 80);
    assert.equal(ledger.leastRttMs, 80);
  });

  for (const { name, rate, delayMs, recordBytes } of [
    { name: '100 Mbit/s, 100 ms', rate: 12_500, delayMs: 50, recordBytes: 16_384 },
    { name: '10 Mbit/s, 200 ms', rate: 1250, delayMs: 100, recordBytes: 8192 },
    { name: '1 Mbit/s, 600 ms', rate: 125, delayMs: 300, recordBytes: 3000 },
    { name: '100 Mbit/s, 2 ms', rate: 12_500, delayMs: 1, recordBytes: 16_384 },
  ]) {
    it(`fills a path of ${name} within eight round trips, with no more than the queue it is allowed`, () => {
      const simulation = link({ rateAt: () => rate, delayMs, recordBytes });
      simulation.run(8 * (2 * delayMs + 20));
      const { rate: reached, queueBytes } = measure(simulation, 2000);
      assert.ok(reached >= 0.9 * rate, `${reached} of ${rate} bytes per millisecond`);
      // Twice the path and its allowance are in flight, of which the path itself holds once its own.
      assert.ok(queueBytes <= 1.1 * rate * (2 * delayMs + 200) + recordBytes, `a queue of ${queueBytes / rate} ms`);
    });
  }

  it('fills a long and quick path in a few round trips, since bursts come as bursts', () => {
    const simulation = link({ rateAt: () => 125_000, delayMs: 50, recordBytes: 8192 });
    simulation.run(5 * 110);
    const { rate } = measure(simulation, 1000);
    assert.ok(rate >= 0.9 * 125_000, `${rate} of 125000 bytes per millisecond`);
  });

  it('does not take the pace of a bottleneck for a burst', () => {
    const simulation = link({ rateAt: () => 50, delayMs: 50, recordBytes: 1400 });
    const { queueBytes } = measure(simulation, 5000);
    // The first bytes in flight are all that may have to queue.
    assert.ok(queueBytes <= BOUNDS.initialBytes + 1400, `${queueBytes} bytes`);
  });

  for (const returnQueueMs of [100, 300]) {
    it(`is not starved by acknowledgements that queue for ${returnQueueMs} ms behind the peer's own bytes`, () => {
      const path = {
        rateAt: () => 2500,
        delayMs: 5,
        recordBytes: 16_384,
        bounds: BOUNDS,
        ackRecords: 2,
        ackDelayMs: 20,
      };
      const simulation = new SimulatedLink({ ...path, returnQueueMs });
      simulation.run(12 * (10 + 20 + returnQueueMs));
      const { rate, queueBytes } = measure(simulation, 3000);
      assert.ok(rate >= 0.95 * 2500, `${rate} of 2500 bytes per millisecond`);
      // Its own queue is as short as if the other were not there.
      assert.ok(queueBytes <= 2500 * 200, `a queue of ${queueBytes / 2500} ms`);
    });
  }

  it('keeps the queue short on a path of 64 kbit/s, and the path full', () => {
    const simulation = link({ rateAt: () => 8, delayMs: 100, recordBytes: 1400 });
    const start = measure(simulation, 10_000);
    assert.ok(start.queueBytes <= BOUNDS.initialBytes + 1400);
    const { rate, queueBytes } = measure(simulation, 20_000);
    assert.ok(rate >= 0.9 * 8, `${rate} of 8 bytes per millisecond`);
    assert.ok(queueBytes <= BOUNDS.minBytes + 1400, `a queue of ${queueBytes} bytes`);
  });

  it('forgets the old rate soon after a throttle has begun, and finds the new one', () => {
    const simulation = link({ rateAt: (nowMs) => (nowMs < 5000 ? 1000 : 8), delayMs: 50, recordBytes: 4096 });
    simulation.run(5000);
    assert.ok(simulation.ledger.rate > 900);
    simulation.run(15_000);
    assert.ok(simulation.ledger.windowBytes < 64 * KIB, `still ${simulation.ledger.windowBytes} bytes`);
    // What was in flight when it began has to drain at the new rate; then the queue is short again.
    simulation.run(50_000);
    const { rate, queueBytes } = measure(simulation, 20_000);
    assert.ok(rate >= 0.9 * 8);
    assert.ok(queueBytes <= BOUNDS.minBytes + 4096, `a queue of ${queueBytes} bytes`);
  });

  it('finds the higher rate when a throttle ends', () => {
    const simulation = link({ rateAt: (nowMs) => (nowMs < 20_000 ? 20 : 1000), delayMs: 50, recordBytes: 4096 });
    simulation.run(22_000);
    const { rate } = measure(simulation, 2000);
    assert.ok(rate >= 900, `${rate} of 1000 bytes per millisecond`);
  });

  it('finds out when it goes another, longer way than the carrier before it', () => {
    const known = { rate: 50, returnQueueMs: 0, leastRttMs: 20, leastWayMs: 10 + CLOCK_OFFSET_MS };
    const path = { rateAt: () => 1000, delayMs: 150, recordBytes: 4096, bounds: BOUNDS, ackRecords: 2, ackDelayMs: 20 };
    const simulation = new SimulatedLink({ ...path, known });
    simulation.run(15_000);
    const { rate } = measure(simulation, 2000);
    assert.ok(rate >= 900, `${rate} of 1000 bytes per millisecond`);
  });

  it('says how long bytes take to arrive behind those in flight', () => {
    const ledger = new CarrierLedger<number>(BOUNDS, { ...START, rate: 100 });
    assert.equal(ledger.deliveryMs(0), 50);
    assert.equal(ledger.deliveryMs(1000), 60);
    ledger.sent(0, { bytes: 20_000, idle: false, items: [] }, 0);
    assert.equal(ledger.deliveryMs(1000), 160);
  });

  it('does not take the silence of an idle sender for a slow path', () => {
    const ledger = new CarrierLedger<number>(BOUNDS, START);
    const send = (record: number, nowMs: number, idle: boolean) =>
      ledger.sent(record, { bytes: idle ? 100 : 50_000, idle, items: [record] }, nowMs);
    for (let record = 0; record < 20; record += 1) send(record, 0, false);
    ledger.acknowledge(20, 100);
    const { rate } = ledger;
    for (let record = 20; record < 60; record += 1) {
      const nowMs = 1000 * record;
      send(record, nowMs, true);
      ledger.acknowledge(record + 1, nowMs + 100);
    }
    assert.equal(ledger.rate, rate);
  });
});
