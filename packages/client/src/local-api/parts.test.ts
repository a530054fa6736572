import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccountKeeper, verdictOf } from './account-keeper.ts';
import { piecesOf, readPiece } from './app-entries.ts';
import { parseStoredSettings } from './settings-store.ts';
import { testEntry } from './testing/api-world.ts';

test('the account is in a word when most failures are of a kind', () => {
  const failures = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([code, count]) => ({ code, count }));
  assert.equal(verdictOf(failures({ 'timed-out': 9, refused: 1 })), 'no-answer');
  assert.equal(verdictOf(failures({ 'name-forged': 2, 'name-not-found': 2, failed: 1 })), 'names-blocked');
  assert.equal(verdictOf(failures({ failed: 3, 'a-code-of-later': 3 })), 'cut');
  assert.equal(verdictOf(failures({ refused: 1, unreachable: 1 })), 'mixed');
});

test('an account is taken over whole, at the end of a pass', () => {
  const keeper = new AccountKeeper();
  keeper.begin();
  const failure = {
    event: 'establish.failures',
    transport: 'opaque',
    phase: 'connect',
    code: 'refused',
    count: 4,
    relayCount: 2,
  };
  assert.equal(keeper.note(failure, 5), false);
  assert.equal(keeper.why('connecting', 2).verdict, 'trying');
  assert.equal(keeper.note({ event: 'establish.over', connected: false, failed: 4, ways: 4, afterMs: 9 }, 7), true);
  const { verdict, overMs, failures } = keeper.why('blocked', 2);
  assert.deepEqual([verdict, overMs, failures.length, failures[0]?.entries], ['refused', 7, 1, 2]);
  keeper.begin();
  assert.equal(keeper.why('connecting', 2).verdict, 'trying');
});

test('a text of any kind gives entries or reasons, and never an error', () => {
  const { link, entry } = testEntry(3);
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: link.length }), fc.string(), (before, cut, after) => {
      for (const piece of piecesOf(`${before}rozan://${after}`)) readPiece(piece);
      for (const piece of piecesOf(link.slice(0, cut) + after)) readPiece(piece);
      const found = piecesOf(`${before}\n${link}\n${after}`).map(readPiece);
      assert.ok(
        found.some((one) => typeof one !== 'string' && one.entry.tag === entry.tag) || /rozan:\/\/$/i.test(before),
      );
    }),
  );
});

test('settings of any kind are read, each member for itself', () => {
  const good = parseStoredSettings('{"language":"fa","socksPort":"x","httpPort":9090,"upstreamProxy":{"kind":"ftp"}}');
  assert.deepEqual([good.language, good.socksPort, good.httpPort, good.upstreamProxy], ['fa', 1080, 9090, null]);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.ok(parseStoredSettings(text).socksPort > 0);
    }),
  );
});
