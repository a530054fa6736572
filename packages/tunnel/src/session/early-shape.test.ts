import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../testing/seeded-random.ts';
import { EarlyShaper, UNSHAPED } from './early-shape.ts';

const SEALED_BYTES = 34;

/** A carrier as far as the shaper looks at it. */
function carrierOf(sendBudgetBytes: number = Number.POSITIVE_INFINITY) {
  return { bytesReceived: 0, bytesSent: 0, sendBudgetBytes };
}

test('each burst of the client lies between the models or above them, however it is made up', () => {
  const burst = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.nat(), fc.array(burst, { maxLength: 6 }), (seed, bursts) => {
      const shaper = new EarlyShaper(new SeededRandom(seed));
      const carrier = carrierOf();
      let packets = 0;
      for (const records of bursts) {
        let sum = 0;
        for (const plainBytes of records) {
          const { inside, behind } = shaper.shape(carrier, plainBytes);
          const sentBytes = plainBytes + SEALED_BYTES + (inside ?? 0) + (behind === 0 ? 0 : behind + SEALED_BYTES);
          sum += sentBytes;
          packets += Math.ceil(sentBytes / 1448);
        }
        packets += 1;
        if (packets > 25) return;
        assert.ok((sum >= 425 && sum <= 480) || sum >= 3200, `a burst of ${sum} bytes`);
        carrier.bytesReceived += 100;
      }
    }),
  );
});

test('after the packets that are looked at, and in a carrier with a small budget, nothing large is added', () => {
  const shaper = new EarlyShaper(new SeededRandom(1));
  const late = carrierOf();
  assert.ok(shaper.shape(late, 600).behind > 2000);
  late.bytesReceived = 100_000;
  shaper.shape(late, 5000);
  late.bytesReceived = 200_000;
  assert.equal(shaper.shape(late, 600), UNSHAPED);
  assert.equal(shaper.shape(carrierOf(16 * 1024), 600), UNSHAPED);
});
