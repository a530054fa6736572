import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import { SourceKeys } from './source-key.ts';

test('sources are prefixes: /24 and /48', () => {
  const keys = new SourceKeys(new SeededRandom(1));
  const keyOf = (address: string) => keys.sourceOf(address).key;
  assert.equal(keyOf('192.0.2.1'), keyOf('192.0.2.254'));
  assert.notEqual(keyOf('192.0.2.1'), keyOf('192.0.3.1'));
  assert.equal(keyOf('2001:db8:1:2::3'), keyOf('2001:db8:1:ffff::'));
  assert.notEqual(keyOf('2001:db8:1::'), keyOf('2001:db8:2::'));
});

test('an IPv4 peer of a dual-stack listener is the same source as on an IPv4 one', () => {
  const keys = new SourceKeys(new SeededRandom(1));
  assert.deepEqual(keys.sourceOf('::ffff:192.0.2.1'), keys.sourceOf('192.0.2.9'));
  assert.equal(keys.sourceOf('::ffff:127.0.0.1').isLocal, true);
});

test('programs of this machine are told apart from the world', () => {
  const keys = new SourceKeys(new SeededRandom(1));
  for (const address of ['127.0.0.1', '127.9.9.9', '::1']) assert.equal(keys.sourceOf(address).isLocal, true);
  for (const address of ['192.0.2.1', '10.0.0.1', 'fe80::1%eth0', undefined, 'nonsense']) {
    assert.equal(keys.sourceOf(address).isLocal, false);
  }
});

test('keys differ between runs and hold no address', () => {
  const one = new SourceKeys(new SeededRandom(1)).sourceOf('192.0.2.1').key;
  const other = new SourceKeys(new SeededRandom(2)).sourceOf('192.0.2.1').key;
  assert.notEqual(one, other);
  assert.equal(one.length, 12);
});
