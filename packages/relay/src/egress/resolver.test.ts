import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import { EGRESS_BOUNDS } from '../limits/constants.ts';
import type { Lookup, LookupAnswer } from './lookup.ts';
import { createResolver, normaliseName } from './resolver.ts';

/** A look-up that answers when the test says so. */
function createScriptedLookup() {
  const calls: { readonly host: string; readonly answer: PromiseWithResolvers<LookupAnswer> }[] = [];
  const lookup: Lookup = (host) => {
    const answer = Promise.withResolvers<LookupAnswer>();
    calls.push({ host, answer });
    return answer.promise;
  };
  return { calls, lookup };
}

const ANSWER: LookupAnswer = { addresses: ['192.0.2.1'], ttlMs: null };
const instant: Lookup = async () => ANSWER;

test('names are brought into one form', () => {
  assert.equal(normaliseName('Example.ORG.'), 'example.org');
  assert.equal(normaliseName('_a.b-c.example'), '_a.b-c.example');
  assert.equal(normaliseName('bücher.example'), 'xn--bcher-kva.example');
  const wrong = [
    '',
    '.',
    'a..b',
    'a b',
    'a\0.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(127)}ab`,
    'a/b',
    'a@b',
    'ü'.repeat(2_000),
  ];
  for (const name of wrong) assert.equal(normaliseName(name), null, name);
});

test('equal names share one look-up, and its answer is kept for a while', async () => {
  const clock = new ManualClock();
  const { calls, lookup } = createScriptedLookup();
  const resolver = createResolver(clock, { lookup });
  const both = Promise.all([resolver.resolve('a.example'), resolver.resolve('A.Example.')]);
  await clock.settle();
  assert.equal(calls.length, 1);
  calls[0]?.answer.resolve(ANSWER);
  assert.deepEqual(await both, [['192.0.2.1'], ['192.0.2.1']]);
  await resolver.resolve('a.example');
  assert.equal(calls.length, 1);
  await clock.advance(EGRESS_BOUNDS.longestCacheMs);
  void resolver.resolve('a.example');
  assert.equal(calls.length, 2);
});

test('a short time to live is honoured', async () => {
  const clock = new ManualClock();
  let count = 0;
  const lookup: Lookup = async () => ({ addresses: [`192.0.2.${++count}`], ttlMs: 1_000 });
  const resolver = createResolver(clock, { lookup });
  assert.deepEqual(await resolver.resolve('a.example'), ['192.0.2.1']);
  await clock.advance(1_000);
  assert.deepEqual(await resolver.resolve('a.example'), ['192.0.2.2']);
});

test('failures are typed, say no name, and only "not found" is kept', async () => {
  const clock = new ManualClock();
  let asked = 0;
  for (const [code, resetCode, kept] of [
    ['ENOTFOUND', 'name-not-found', true],
    ['ENODATA', 'name-not-found', true],
    ['EAI_AGAIN', 'timed-out', false],
    ['ETIMEOUT', 'timed-out', false],
    ['ESERVFAIL', 'unreachable', false],
    ['ECONNREFUSED', 'unreachable', false],
  ] as const) {
    const lookup: Lookup = async (host) => {
      asked += 1;
      throw Object.assign(new Error(`getaddrinfo ${code} ${host}`), { code });
    };
    const resolver = createResolver(clock, { lookup });
    asked = 0;
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(resolver.resolve('secret.example'), (error: Error & { resetCode?: string }) => {
        assert.equal(error.resetCode, resetCode);
        assert.doesNotMatch(JSON.stringify([error.message, error.stack, String(error.cause)]), /secret/);
        return true;
      });
    }
    assert.equal(asked, kept ? 1 : 2, code);
  }
});

test('no addresses means no such name', async () => {
  const resolver = createResolver(new ManualClock(), { lookup: async () => ({ addresses: [], ttlMs: null }) });
  await assert.rejects(resolver.resolve('a.example'), { resetCode: 'name-not-found' });
});

test('a look-up that takes too long is given up', async () => {
  const clock = new ManualClock();
  const resolver = createResolver(clock, { lookup: () => new Promise(() => undefined) });
  const resolved = resolver.resolve('a.example');
  await assert.rejects(clock.runUntil(resolved, EGRESS_BOUNDS.lookupTimeoutMs), { resetCode: 'timed-out' });
});

test('look-ups at one time are bounded, and so is the queue', async () => {
  const clock = new ManualClock();
  const { calls, lookup } = createScriptedLookup();
  const resolver = createResolver(clock, { lookup });
  const most = EGRESS_BOUNDS.lookups + EGRESS_BOUNDS.queuedLookups;
  const all = Array.from({ length: most }, (_, index) => resolver.resolve(`n${index}.example`));
  await assert.rejects(resolver.resolve('one-more.example'), { resetCode: 'busy' });
  assert.equal(calls.length, EGRESS_BOUNDS.lookups);
  let index = 0;
  for (; index < calls.length; index += 1) {
    calls[index]?.answer.resolve(ANSWER);
    await Promise.resolve().then(() => clock.settle());
  }
  assert.equal(index, most);
  await Promise.all(all);
});

test('the cache is bounded', async () => {
  let asked = 0;
  const resolver = createResolver(new ManualClock(), {
    lookup: async () => {
      asked += 1;
      return ANSWER;
    },
  });
  for (let index = 0; index <= EGRESS_BOUNDS.cachedNames; index += 1) await resolver.resolve(`n${index}.example`);
  await resolver.resolve('n0.example');
  assert.equal(asked, EGRESS_BOUNDS.cachedNames + 2);
});

test('a name that is none is not asked for', async () => {
  const resolver = createResolver(new ManualClock(), { lookup: () => assert.fail('asked') });
  await assert.rejects(resolver.resolve('a b'), { resetCode: 'name-not-found' });
  assert.deepEqual(await createResolver(new ManualClock(), { lookup: instant }).resolve('a'), ['192.0.2.1']);
});
