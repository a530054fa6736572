import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { PublicationError } from '../errors.ts';
import { bucketOf } from './bucket.ts';
import { applyDelta, decodeList, encodeDelta, encodeList } from './paper-list.ts';

const paper = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const papers = fc.array(paper, { maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));

function assertTyped(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof PublicationError, String(error));
  }
}

test('a list comes back in order, each paper once', () => {
  fc.assert(
    fc.property(papers, (list) => {
      const unique = [...new Map(list.map((one) => [one.toString('hex'), one])).values()];
      assert.deepEqual(decodeList(encodeList([...list, ...list])), unique.toSorted(Buffer.compare));
    }),
  );
});

test('a delta makes the next list of the one before, and of no other', () => {
  fc.assert(
    fc.property(papers, papers, papers, (...lists) => {
      const [before, after, other] = lists.map(encodeList) as [Buffer, Buffer, Buffer];
      const delta = encodeDelta(before, after);
      assert.deepEqual(applyDelta(before, delta), after);
      if (!other.equals(before)) assert.throws(() => applyDelta(other, delta), { code: 'inconsistent' });
    }),
  );
});

test('whatever comes is read or refused with a typed error, cut off anywhere as well', () => {
  fc.assert(fc.property(bytes, (input) => assertTyped(() => decodeList(input))));
  fc.assert(fc.property(bytes, bytes, (list, delta) => assertTyped(() => applyDelta(list, delta))));
  const [before, after] = [encodeList([Buffer.from('a')]), encodeList([Buffer.from('b'), Buffer.from('cc')])];
  const delta = encodeDelta(before, after);
  for (let length = 0; length < delta.length; length++) {
    assert.throws(() => applyDelta(before, delta.subarray(0, length)), PublicationError);
  }
  for (let length = 1; length < after.length; length++) assertTyped(() => decodeList(after.subarray(0, length)));
});

test('the bounds of a list', () => {
  assert.throws(() => encodeList([Buffer.alloc(0)]), { code: 'too-large' });
  assert.throws(() => encodeList([Buffer.alloc(9000)]), { code: 'too-large' });
  const many = Array.from({ length: 5000 }, (_, index) => Buffer.from(String(index)));
  assert.throws(() => encodeList(many), { code: 'too-large' });
});

test('only the key of a bucket opens it, and only as what it was sealed as', () => {
  const random = new SeededRandom(1);
  const [bucket, other] = [bucketOf(random.bytes(32)), bucketOf(random.bytes(32))];
  const sealed = bucket.seal('entry list', Buffer.from('a list'), random);
  assert.equal(bucket.open('entry list', sealed).toString(), 'a list');
  assert.notEqual(bucket.name, other.name);
  assert.throws(() => other.open('entry list', sealed), { code: 'not-authentic' });
  assert.throws(() => bucket.open('entry delta', sealed), { code: 'not-authentic' });
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => bucket.open('entry list', changed), PublicationError);
    assert.throws(() => bucket.open('entry list', sealed.subarray(0, at)), PublicationError);
  }
  assert.throws(() => bucketOf(Buffer.alloc(31)), { code: 'key' });
});

test('a sealed list that would unpack into more than a list may be is refused', () => {
  const random = new SeededRandom(1);
  const bucket = bucketOf(random.bytes(32));
  const bomb = bucket.seal('entry list', Buffer.alloc(3 * 1024 * 1024), random);
  assert.throws(() => bucket.open('entry list', bomb), { code: 'malformed' });
});
