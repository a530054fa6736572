import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LogEvent } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { MAX_FAILURE_KINDS } from '../limits.ts';
import { Account } from './account.ts';
import { describeEstablish } from './describe-establish.ts';
import { DialLimits } from './dial-limits.ts';
import { FailureCounts } from './failures.ts';

it('an account says what is tried once a second, and in the end what failed, in plain words', async () => {
  const clock = new ManualClock();
  const events: LogEvent[] = [];
  const log = (event: LogEvent) => events.push(event);
  const account = new Account({ network: new MemoryNetwork({ clock }), clock, random: new SeededRandom(1), log });
  for (let trying = 1; trying <= 8; trying += 1) account.progress({ trying, failed: 0, ways: 40 });
  await clock.advance(1000);
  account.progress({ trying: 9, failed: 2, ways: 40 });
  for (const tag of ['tag-1', 'tag-2', 'tag-2']) {
    account.add({ tag, transport: 'opaque', phase: 'connect', code: 'timed-out' });
  }
  account.add({ tag: 'tag-3', transport: 'opaque', phase: 'resolve', code: 'name-forged' });
  account.over(false, { trying: 0, failed: 4, ways: 40 });
  assert.deepEqual(events[2], {
    event: 'establish.failures',
    ...{
      transport: 'opaque',
      phase: 'connect',
      code: 'timed-out',
      count: 3,
      relayCount: 2,
      relays: ['tag-1', 'tag-2'],
    },
  });
  assert.deepEqual(events.map(describeEstablish), [
    'Trying 1 of 40 ways … (0 have failed, 0.0 s)',
    'Trying 9 of 40 ways … (2 have failed, 1.0 s)',
    '  3 × opaque, at 2 relays: No connection to the relay: nothing came back. Somebody in between may be dropping it, or the line is very slow.',
    '  1 × opaque, at 1 relay: The name of the relay could not be looked up: the resolver of this network gives an address that is not the relay’s: the name is being blocked.',
    'None of 40 ways has worked so far (1.0 s). It goes on.',
  ]);
  assert.match(
    describeEstablish({ event: 'publication.refreshed', isNew: true, way: 'tunnel' }) ?? '',
    /^A newer list .* through the tunnel\.$/,
  );
  assert.equal(describeEstablish({ event: 'session.opened' }), null);
});

it('failures are counted by kind, up to a bound, until they are taken', () => {
  const counts = new FailureCounts();
  for (let tag = 0; tag < MAX_FAILURE_KINDS + 10; tag += 1) {
    for (const phase of ['connect', 'connect'] as const) {
      counts.add({ tag: `tag-${tag}`, transport: 'opaque', phase, code: 'refused' });
    }
  }
  const taken = counts.take();
  assert.equal(taken.length, MAX_FAILURE_KINDS);
  assert.ok(taken.every(({ count }) => count === 2));
  assert.deepEqual(counts.get(), []);
});

it('dials to one host are bounded, and wait for room or for their signal', async () => {
  const never = new AbortController().signal;
  const limits = new DialLimits(() => 2);
  const ends = [await limits.enter('a', never), await limits.enter('a', never)];
  assert.equal(limits.hasRoom('a'), false);
  assert.equal(limits.hasRoom('b'), true);
  const waiting = limits.enter('a', never);
  const over = new AbortController();
  const impatient = limits.enter('a', over.signal);
  over.abort(new Error('enough'));
  await assert.rejects(impatient, /enough/);
  ends[0]?.();
  ends[0]?.();
  const end = await waiting;
  assert.equal(limits.hasRoom('a'), false);
  end();
  ends[1]?.();
  assert.equal(limits.hasRoom('a'), true);
});
