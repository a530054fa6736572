import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

/** Bytes that count on from `start`. */
function counting(start: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (start + index) % 251));
}

test('gives the bytes that it was given, and what it gave stays as it was', () => {
  const step = fc.record({ isPush: fc.boolean(), bytes: fc.oneof(fc.nat(20), fc.nat(3000)) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new ByteQueue();
      const taken: Buffer[] = [];
      let pushed = 0;
      for (const { isPush, bytes } of steps) {
        if (isPush) {
          queue.push(counting(pushed, bytes));
          pushed += bytes;
        } else {
          const run = queue.take(bytes + 1);
          if (run !== undefined) taken.push(run);
        }
        const takenBytes = taken.reduce((sum, run) => sum + run.length, 0);
        assert.equal(queue.bytes, pushed - takenBytes);
      }
      for (let run = queue.take(); run !== undefined; run = queue.take()) taken.push(run);
      assert.ok(Buffer.concat(taken).equals(counting(0, pushed)));
      assert.equal(queue.bytes, 0);
    }),
  );
});

test('puts small runs together and leaves large ones where they are', () => {
  const queue = new ByteQueue();
  for (let count = 0; count < 100_000; count += 1) queue.push(Buffer.of(count % 251));
  assert.ok(queue.runs < 20);
  const large = Buffer.alloc(4096);
  queue.push(large);
  let last: Buffer | undefined;
  for (let run = queue.take(); run !== undefined; run = queue.take()) last = run;
  assert.equal(last, large);
});
