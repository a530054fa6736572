import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_RECORD_PLAINTEXT, RECORD_OVERHEAD_BYTES, RecordOpener, RecordSealer, recordKeysOf } from './record.ts';
import { testUniformity } from './testing/chi-square.ts';
import { seededRandom } from './testing/seeded-random.ts';

const random = seededRandom(11);
const keys = recordKeysOf(random(32));

function drain(opener: RecordOpener): Buffer[] {
  const records: Buffer[] = [];
  for (let record = opener.next(); record !== null; record = opener.next()) records.push(record);
  return records;
}

test('records come back whole and in order, whatever pieces go in and whatever chunks come out', () => {
  const piece = fc.integer({ min: 0, max: 5000 });
  const records = fc.array(
    fc.array(piece, { minLength: 1, maxLength: 6 }).filter((sizes) => sizes.some((size) => size > 0)),
    {
      maxLength: 12,
    },
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(records, cuts, fc.integer({ min: 1, max: 4 }), (sizes, chunkSizes, recordsPerKey) => {
      const sealer = new RecordSealer(keys, { recordsPerKey });
      const opener = new RecordOpener(keys, { recordsPerKey });
      const sent = sizes.map((list) => list.map((size) => random(size)));
      const wire = Buffer.concat(sent.flatMap((pieces) => sealer.seal(pieces)));
      const received: Buffer[] = [];
      for (let offset = 0, i = 0; offset < wire.length; i += 1) {
        const size = chunkSizes[i % chunkSizes.length] ?? 1;
        opener.push(Buffer.from(wire.subarray(offset, offset + size)));
        received.push(...drain(opener));
        offset += size;
      }
      assert.deepEqual(
        received,
        sent.map((pieces) => Buffer.concat(pieces)),
      );
    }),
  );
});

test('records may come byte by byte, across a change of keys', () => {
  const sealer = new RecordSealer(keys, { recordsPerKey: 2 });
  const opener = new RecordOpener(keys, { recordsPerKey: 2 });
  const sent = [1, 2, 300, 17, 40].map((size) => random(size));
  const wire = Buffer.concat(sent.flatMap((plaintext) => sealer.seal([plaintext])));
  assert.equal(wire.length, 360 + 5 * RECORD_OVERHEAD_BYTES);
  const received: Buffer[] = [];
  for (const byte of wire) {
    opener.push(Buffer.of(byte));
    received.push(...drain(opener));
  }
  assert.deepEqual(received, sent);
});

test('many chunks may be pushed before the first record is taken', () => {
  const sealer = new RecordSealer(keys);
  const opener = new RecordOpener(keys);
  const sent = Array.from({ length: 1500 }, () => random(20));
  const wire = Buffer.concat(sent.flatMap((plaintext) => sealer.seal([plaintext])));
  for (let offset = 0; offset < wire.length; offset += 31) opener.push(wire.subarray(offset, offset + 31));
  assert.deepEqual(drain(opener), sent);
});

test('the longest record passes; a longer one and an empty one are not sealed', () => {
  const sealer = new RecordSealer(keys);
  const opener = new RecordOpener(keys);
  const longest = random(MAX_RECORD_PLAINTEXT);
  for (const chunk of sealer.seal([longest.subarray(0, 7), longest.subarray(7)])) opener.push(chunk);
  assert.deepEqual(drain(opener), [longest]);
  assert.throws(() => sealer.seal([longest, Buffer.of(0)]), { code: 'out-of-bounds' });
  assert.throws(() => sealer.seal([]), { code: 'out-of-bounds' });
  assert.throws(() => sealer.seal([Buffer.alloc(0)]), { code: 'out-of-bounds' });
});

test('a small record is one chunk; a big piece stands between two small ones', () => {
  const sealer = new RecordSealer(keys);
  assert.equal(sealer.seal([random(20), random(30)]).length, 1);
  const lengths = sealer.seal([random(14), random(100_000)]).map((chunk) => chunk.length);
  assert.deepEqual(lengths, [3 + 14, 100_000, 16]);
});

test('a record with any byte changed is never delivered, and nothing after it is', () => {
  const wire = Buffer.concat(new RecordSealer(keys).seal([Buffer.from('a short record')]));
  const more = random(MAX_RECORD_PLAINTEXT + RECORD_OVERHEAD_BYTES);
  for (let index = 0; index < wire.length; index += 1) {
    const changed = Buffer.from(wire);
    changed[index] = (changed[index] ?? 0) ^ 1;
    const opener = new RecordOpener(keys);
    opener.push(changed);
    opener.push(more);
    assert.throws(() => opener.next(), { code: 'not-authentic' }, `byte ${index}`);
    opener.push(wire);
    assert.throws(() => opener.next(), { code: 'not-authentic' });
  }
});

test('a repeated, a left-out and a foreign record are refused', () => {
  const sealer = new RecordSealer(keys);
  const first = Buffer.concat(sealer.seal([Buffer.alloc(64)]));
  const second = Buffer.concat(sealer.seal([Buffer.alloc(64)]));
  const refused = (opener: RecordOpener, ...chunks: readonly Buffer[]) => {
    for (const chunk of [...chunks, random(MAX_RECORD_PLAINTEXT * 2)]) opener.push(chunk);
    assert.throws(() => drain(opener), { code: 'not-authentic' });
  };
  refused(new RecordOpener(keys), first, first);
  refused(new RecordOpener(keys), second);
  refused(new RecordOpener(recordKeysOf(random(32))), first);
});

test('lengths and all are uniform on the wire', () => {
  const samples = Array.from({ length: 10_000 }, () =>
    Buffer.concat(new RecordSealer(recordKeysOf(random(32))).seal([Buffer.alloc(10)])),
  );
  const across = new RecordSealer(keys);
  const onOneCarrier = Array.from({ length: 10_000 }, () => Buffer.concat(across.seal([Buffer.alloc(10)])));
  for (const set of [samples, onOneCarrier]) {
    const { worstPositionTail, pooledTail } = testUniformity(set);
    assert.ok(worstPositionTail > 1e-6 && pooledTail > 1e-6);
  }
});

test('lengths are masked by one keystream, however many masks are drawn at a time', () => {
  const sealer = new RecordSealer(keys);
  const records = 5000;
  const zeros = Buffer.alloc(3 * records);
  const masks = createCipheriv('aes-256-ctr', keys.lengthKey, Buffer.alloc(16)).update(zeros);
  const plaintext = random(40);
  const length = Buffer.from('000028', 'hex');
  for (let record = 0; record < records; record += 1) {
    const head = Buffer.concat(sealer.seal([plaintext])).subarray(0, 3);
    const mask = masks.subarray(3 * record, 3 * record + 3);
    assert.deepEqual(
      [...head],
      [...length].map((byte, index) => byte ^ (mask[index] ?? 0)),
      `record ${record}`,
    );
  }
});
