import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BoundedMap } from './bounded-map.ts';

test('the least recently used entry is forgotten first', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1);
  map.set('b', 2);
  assert.equal(map.get('a'), 1);
  map.set('c', 3);
  assert.equal(map.get('b'), undefined);
  assert.equal(map.get('a'), 1);
  map.delete('a');
  assert.equal(map.size, 1);
});

test('it never grows beyond its size and never gives a wrong value', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.nat({ max: 9 }), fc.nat())),
      (maxSize, entries) => {
        const map = new BoundedMap<number, number>(maxSize);
        const truth = new Map<number, number>();
        for (const [key, value] of entries) {
          map.set(key, value);
          truth.set(key, value);
          assert.ok(map.size <= maxSize);
          assert.equal(map.get(key), value);
        }
        for (const [key, value] of truth) assert.ok([undefined, value].includes(map.get(key)));
      },
    ),
  );
});
