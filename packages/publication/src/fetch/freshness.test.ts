import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonSpan, isOver, judge } from './freshness.ts';

const HOUR_MS = 3_600_000;
const span = { issuedMs: 100 * HOUR_MS, expiresMs: 148 * HOUR_MS };
const time = fc.integer({ min: 0, max: 400 }).map((hours) => hours * HOUR_MS);

test("this machine's clock alone makes nothing expire", () => {
  fc.assert(
    fc.property(time, (systemMs) => {
      const { validity } = judge(span, { attestedMs: null, issuedMs: span.issuedMs, systemMs });
      assert.notEqual(validity, 'expired');
      assert.equal(isOver(span, { attestedMs: null, issuedMs: span.issuedMs, systemMs }), false);
    }),
  );
});

test('the time that a relay has told decides, whatever this machine says', () => {
  fc.assert(
    fc.property(time, time, (attestedMs, systemMs) => {
      const { validity, cause, clock } = judge(span, { attestedMs, issuedMs: null, systemMs });
      assert.equal(validity, attestedMs >= span.expiresMs ? 'expired' : 'valid');
      assert.equal(cause, validity === 'expired' ? 'freeze' : null);
      assert.equal(clock === 'right', Math.abs(attestedMs - systemMs) <= 2 * HOUR_MS);
    }),
  );
});

test('something that was issued later shows that what has expired by then is old, and that the clock is behind', () => {
  const issuedMs = 200 * HOUR_MS;
  const judged = judge(span, { attestedMs: null, issuedMs, systemMs: 50 * HOUR_MS });
  assert.deepEqual(judged, { validity: 'expired', clock: 'behind', cause: 'freeze' });
  const fresh = { issuedMs, expiresMs: 248 * HOUR_MS };
  const unconfirmed = judge(fresh, { attestedMs: null, issuedMs, systemMs: 50 * HOUR_MS });
  assert.deepEqual(unconfirmed, { validity: 'unconfirmed', clock: 'behind', cause: 'clock' });
});

test('what several sign for is in its time while all are', () => {
  const other = { issuedMs: 90 * HOUR_MS, expiresMs: 120 * HOUR_MS };
  assert.deepEqual(commonSpan([span, other]), { issuedMs: span.issuedMs, expiresMs: other.expiresMs });
});
