import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from './line-reader.ts';

const line = fc.string({ unit: 'binary', maxLength: 20 }).filter((text) => !text.includes('\n') && text.isWellFormed());

test('lines come out whole, however the bytes arrive', () => {
  const cases = fc.record({ lines: fc.array(line), sizes: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }) });
  fc.assert(
    fc.property(cases, ({ lines, sizes }) => {
      const bytes = Buffer.from(lines.map((each) => `${each}\n`).join(''));
      const reader = new LineReader(200);
      const read: string[] = [];
      for (let start = 0, turn = 0; start < bytes.length; turn += 1) {
        const size = sizes[turn % sizes.length] ?? 1;
        read.push(...reader.receive(bytes.subarray(start, start + size)));
        start += size;
      }
      assert.deepEqual(read, lines);
    }),
  );
});

test('byte by byte', () => {
  const reader = new LineReader(10);
  const read = [...Buffer.from('one\n\ntwo\nrest')].flatMap((byte) => reader.receive(Buffer.of(byte)));
  assert.deepEqual(read, ['one', '', 'two']);
});

test('a line above the bound is refused, whole or not, and one at the bound is not', () => {
  assert.deepEqual(new LineReader(4).receive(Buffer.from('four\n')), ['four']);
  assert.throws(() => new LineReader(4).receive(Buffer.from('fives\n')), { code: 'control-malformed' });
  const reader = new LineReader(4);
  assert.deepEqual(reader.receive(Buffer.from('fou')), []);
  assert.deepEqual(reader.receive(Buffer.from('r')), []);
  assert.throws(() => reader.receive(Buffer.from('x')), { code: 'control-malformed' });
});
