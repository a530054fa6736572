import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Env } from '../env.ts';
import { LINGER_MAX_MS, LINGER_MIN_MS, MAX_DRAINED_CONNS } from '../limits.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { DrainedConns } from './drained-conns.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };

it('keeps a bounded number of connections open, and closes the oldest late', async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(1), log: () => {} };
  await network.listen(ADDRESS, (conn) => conn.resume());
  const drained = new DrainedConns();
  const extra = 3;
  for (let count = 0; count < MAX_DRAINED_CONNS + extra; count += 1) drained.take(env, await network.dial(ADDRESS));
  assert.equal(drained.size, MAX_DRAINED_CONNS);
  const countOpen = () => network.connections.filter(({ client }) => !client.destroyed).length;
  await clock.advance(LINGER_MIN_MS - 1);
  assert.equal(countOpen(), MAX_DRAINED_CONNS + extra);
  await clock.advance(LINGER_MAX_MS);
  assert.equal(countOpen(), MAX_DRAINED_CONNS);
});
