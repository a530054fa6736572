import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionDirectory } from './session-directory.ts';

const id = (number: number): Buffer => Buffer.alloc(16, number);

test('a session is found by each of its ids until they, or its worker, go', () => {
  const directory = new SessionDirectory<string>();
  directory.add('first', Buffer.concat([id(1), id(2)]));
  directory.add('second', id(3));
  assert.deepEqual(
    [1, 2, 3, 4].map((number) => directory.find(id(number))),
    ['first', 'first', 'second', null],
  );
  directory.remove('first', id(1));
  directory.remove('first', id(3));
  assert.equal(directory.find(id(1)), null);
  assert.equal(directory.find(id(3)), 'second', 'only its owner takes an id away');
  directory.forget('first');
  assert.equal(directory.find(id(2)), null);
  assert.equal(directory.size, 1);
});
