import assert from 'node:assert/strict';
import { it } from 'node:test';
import { KEY_BYTES, keyPairOf } from '@rozan/protocol';
import type { Env } from '../env.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { attachOver } from './client-handshake.ts';
import { RelayClock } from './relay-clock.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };

it('lets its connection go when no flight can be made', async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(1), log: () => {} };
  await network.listen(ADDRESS, (conn) => conn.resume());
  const conn = await network.dial(ADDRESS);
  const attached = attachOver(env, conn, {
    relay: { publicKey: keyPairOf(Buffer.alloc(KEY_BYTES, 1)).publicKey, accessSecret: Buffer.alloc(KEY_BYTES - 1) },
    attach: { kind: 'new' },
    relayClock: new RelayClock(clock),
    transport: 'memory',
    signal: new AbortController().signal,
  });
  await assert.rejects(attached);
  assert.ok(conn.destroyed);
});
