import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { drawPaddingBytes } from './padding.ts';

test('a padding length stays in its bounds and reaches both', () => {
  assert.equal(drawPaddingBytes({ fraction: 0, minBytes: 3, maxBytes: 10 }), 3);
  assert.equal(drawPaddingBytes({ fraction: 1 - Number.EPSILON / 2, minBytes: 3, maxBytes: 10 }), 10);
  assert.equal(drawPaddingBytes({ fraction: 0.5, minBytes: 4, maxBytes: 4 }), 4);
  const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fractions, fc.nat(1000), fc.nat(1000), (fraction, minBytes, more) => {
      const drawn = drawPaddingBytes({ fraction, minBytes, maxBytes: minBytes + more });
      assert.ok(Number.isInteger(drawn) && drawn >= minBytes && drawn <= minBytes + more);
    }),
  );
});
