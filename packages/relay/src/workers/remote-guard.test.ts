import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import type { JudgedFlight, ReplayVerdictKind } from '../accept/acceptor.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';
import { PendingAnswers } from './pending-answers.ts';
import { createRemoteGuard } from './remote-guard.ts';

function flight(number: number): JudgedFlight {
  return { channelId: `${number}`, replayId: Buffer.alloc(16, number), stampMs: number, synced: true };
}

/** A supervisor that answers when it is told to. */
function createFake() {
  const asked: { readonly channels: string[]; answer(verdict: ReplayVerdictKind): void }[] = [];
  const guard = createRemoteGuard((flights) => {
    const { promise, resolve } = Promise.withResolvers<readonly ReplayVerdictKind[]>();
    const channels = flights.map(({ channelId }) => channelId);
    asked.push({ channels, answer: (verdict) => resolve(channels.map(() => verdict)) });
    return promise;
  });
  return { asked, guard };
}

test('flights go out at once, and together when many are on their way', async () => {
  const { asked, guard } = createFake();
  const count = WORKER_BOUNDS.flightBatches + 3;
  const verdicts = Array.from({ length: count }, (_, index) => guard(flight(index)));
  assert.equal(asked.length, WORKER_BOUNDS.flightBatches);
  asked[0]?.answer('fresh');
  assert.equal(await verdicts[0], 'fresh');
  assert.deepEqual(asked.at(-1)?.channels, ['8', '9', '10']);
  for (const each of asked.slice(1)) each.answer('replayed');
  assert.deepEqual(await Promise.all(verdicts.slice(1)), Array(count - 1).fill('replayed'));
});

test('without an answer in time a flight is refused', async () => {
  const clock = new ManualClock();
  const pending = new PendingAnswers<readonly ReplayVerdictKind[]>(clock, WORKER_BOUNDS.verdictMs);
  const guard = createRemoteGuard(() => pending.ask(() => {}));
  const verdict = guard(flight(1));
  await clock.advance(WORKER_BOUNDS.verdictMs);
  assert.equal(await verdict, 'full');
  assert.equal(pending.size, 0);
});
