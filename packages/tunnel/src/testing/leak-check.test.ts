import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Listener } from '../network.ts';
import { createEnv } from '../real-env.ts';
import { turnsUntil, withoutLeaks } from './leak-check.ts';

test('finds a listener that was left open', async () => {
  const { network } = createEnv({ log: () => {} });
  const left: Listener[] = [];
  await assert.rejects(
    withoutLeaks(async () => {
      left.push(await network.listen({ host: '127.0.0.1', port: 0 }, () => {}));
    }),
    /left open/,
  );
  for (const listener of left) await listener.close();
  assert.equal(await withoutLeaks(async () => 'clean'), 'clean');
});

test('turnsUntil gives up', async () => {
  assert.equal(await turnsUntil(() => false, 10), false);
  assert.equal(await turnsUntil(() => true, 0), true);
});
