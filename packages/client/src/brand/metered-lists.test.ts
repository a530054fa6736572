import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryStorage } from '@rozan/publication';
import { TestPublisher } from '@rozan/publication/testing';
import { createEnv } from '@rozan/tunnel';
import { ListKeeper } from './list-keeper.ts';

const HOUR_MS = 3_600_000;

test('on a metered line lists are looked at every 10 to 20 minutes, though somebody uses it', async () => {
  const publisher = await TestPublisher.create();
  const { clock, random } = publisher;
  let isMetered = false;
  let looks = 0;
  using keeper = await ListKeeper.open(
    { ...createEnv({ log: () => {} }), clock, random, log: () => {} },
    {
      brand: {
        network: 'test',
        channel: 'test',
        partner: null,
        root: await publisher.rootBytes(),
        entryKey: Buffer.alloc(32, 1),
        tacticsKeys: [],
        bucket: Buffer.alloc(32, 2),
        entries: [],
        mirrors: [],
        homes: new Map(),
        partnerKeys: new Map(),
        feedback: [],
      },
      storage: createMemoryStorage(clock),
      book: { read: async () => null, write: async () => {} },
      dialMirror: () => Promise.reject(new Error('there is no mirror')),
    },
  );
  keeper.follow({
    isLive: () => true,
    isPaused: () => false,
    streamCount: () => 1,
    isMetered: () => isMetered,
    open: () => Promise.reject(new Error('nobody opens anything')),
    // Asked for once with each look.
    workingTags: () => {
      looks += 1;
      return [];
    },
    setEntries: () => {},
    refreshTactics: async () => {},
    attestedMs: () => null,
  });
  await clock.advance(HOUR_MS);
  assert.ok(looks >= 38 && looks <= 61, `${looks} looks in an hour`);
  isMetered = true;
  looks = 0;
  await clock.advance(HOUR_MS);
  assert.ok(looks >= 3 && looks <= 7, `${looks} looks in an hour`);
});
