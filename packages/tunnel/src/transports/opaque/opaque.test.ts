import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnv } from '../../real-env.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import { findTransport, TRANSPORTS } from '../../transports.ts';
import { opaque } from './opaque.ts';

const MEBIBYTE = 1024 * 1024;

transportSuite('opaque on real sockets', () => ({
  transport: opaque,
  env: createEnv({ log: () => {} }),
  bulkBytes: 100 * MEBIBYTE,
  maxBufferedBytes: 32 * MEBIBYTE,
  passesGarbage: true,
}));

interface InMemory extends Pick<MemoryNetworkOptions, 'maxChunkBytes' | 'windowBytes'> {
  readonly bulkBytes: number;
}

function inMemory(options: InMemory): TransportFixture {
  const { bulkBytes, maxChunkBytes, windowBytes } = options;
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, maxChunkBytes, windowBytes });
  return {
    transport: opaque,
    env: { network, clock, random: new SeededRandom(2), log: () => {} },
    options: { delay: '0' },
    bulkBytes,
    maxBufferedBytes: MEBIBYTE,
    passesGarbage: true,
    countOpen: () => network.connections.length + network.listenerCount,
  };
}

transportSuite('opaque in memory', () => inMemory({ bulkBytes: 10 * MEBIBYTE }));

transportSuite('opaque in memory, in small pieces', () =>
  inMemory({ bulkBytes: MEBIBYTE, maxChunkBytes: 977, windowBytes: 4000 }),
);

test('params: keys of later versions are ignored', () => {
  assert.deepEqual(opaque.parseParams({ dress: 'ssh', nested: { deep: true }, delayMs: 3 }), { delayMs: 3 });
});

test('params: entries of the first version have no delay, and no delay is longer than a relay may draw', () => {
  assert.deepEqual(opaque.parseParams({}), { delayMs: 0 });
  for (const delayMs of [-1, 13, Number.NaN, '3', null]) {
    if (delayMs !== null) assert.throws(() => opaque.parseParams({ delayMs }), { code: 'bad-params' });
  }
});

test('the list finds it by name', () => {
  assert.equal(findTransport('opaque'), TRANSPORTS[0]);
  assert.equal(findTransport('opaque '), null);
  assert.equal(findTransport('constructor'), null);
});
