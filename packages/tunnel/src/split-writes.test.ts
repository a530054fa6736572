import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNetwork } from './network.ts';
import { createEnv } from './real-env.ts';
import { splitFirstWrites, splittingEnv } from './split-writes.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { MemoryNetwork } from './testing/memory-network.ts';
import { SeededRandom } from './testing/seeded-random.ts';
import { readAll } from './testing/stream-helpers.ts';
import { transportSuite } from './testing/transport-suite.ts';
import { findTransport } from './transports.ts';

const MEBIBYTE = 1024 * 1024;
const PLACE = { host: '127.0.0.1', port: 0 };

describe('first writes in pieces', () => {
  it('sends every byte in its order, at first at most 400 at a time with a gap between', async () => {
    const clock = new ManualClock();
    const network = new MemoryNetwork({ clock });
    const sizes: number[] = [];
    const accepted = Promise.withResolvers<Buffer>();
    const listener = await network.listen(PLACE, (conn) => {
      conn.on('data', (chunk: Buffer) => sizes.push(chunk.length));
      readAll(conn).then(accepted.resolve, accepted.reject);
    });
    const conn = splitFirstWrites({ clock, random: new SeededRandom(3) }, await network.dial(listener.address));
    const given = new SeededRandom(4).bytes(40_000);
    conn.write(given.subarray(0, 100));
    conn.write(given.subarray(100, 5000));
    conn.end(given.subarray(5000));
    for (let turn = 0; turn < 60; turn += 1) await clock.advance(8);
    assert.deepEqual(await accepted.promise, given);
    assert.ok(sizes.slice(0, 29).every((size) => size <= 400));
    assert.ok(sizes.length < 40, 'all that comes later goes as it is');
    conn.destroy();
    await listener.close();
  });
});

for (const [name, options] of [
  ['opaque', { delay: '0' }],
  ['websocket', { tls: 'none' }],
  ['websocket', { tls: 'self' }],
  ['http', { 'max-age': '1' }],
] as const) {
  const transport = findTransport(name);
  if (transport === null) throw new Error(`there is no transport ${name}`);
  const real = createEnv({ log: () => {} });
  transportSuite(`${name} ${Object.values(options).join(' ')} over real sockets, first writes in pieces`, () => ({
    transport,
    options,
    env: splittingEnv({ ...real, network: createNetwork(), random: new SeededRandom(2) }),
    bulkBytes: 4 * MEBIBYTE,
    maxBufferedBytes: 64 * MEBIBYTE,
    passesGarbage: name === 'opaque',
  }));
}
