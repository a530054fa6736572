import { createEnv } from '../../real-env.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import type { Transport } from '../../transport.ts';
import { opaque } from './opaque.ts';

const MEBIBYTE = 1024 * 1024;

/** With a prefix a listener is no silent one: the traits of the transport are those of its bare port. */
const dressed: Transport = { ...opaque, traits: { looksLike: 'other', silentToStrangers: false } };

type Size = Pick<TransportFixture, 'bulkBytes'> & Pick<MemoryNetworkOptions, 'maxChunkBytes' | 'windowBytes'>;

/** Without a pause: a clock by hand would have to be moved for it. */
function fixtureOf(prefix: string): Omit<TransportFixture, 'env' | 'bulkBytes' | 'maxBufferedBytes'> {
  return { transport: dressed, options: { prefix, delay: '0' }, passesGarbage: false };
}

function inMemory(prefix: string, { bulkBytes, maxChunkBytes, windowBytes }: Size): TransportFixture {
  // A stranger is answered after a moment, for which nobody here would move a clock.
  const { clock } = createEnv({ log: () => {} });
  const network = new MemoryNetwork({ clock, maxChunkBytes, windowBytes });
  return {
    ...fixtureOf(prefix),
    env: { network, clock, random: new SeededRandom(2), log: () => {} },
    bulkBytes,
    maxBufferedBytes: 2 * MEBIBYTE,
    countOpen: () => network.connections.length + network.listenerCount,
  };
}

for (const prefix of ['http', 'ssh', 'tls']) {
  transportSuite(`opaque as ${prefix} on real sockets`, () => ({
    ...fixtureOf(prefix),
    env: createEnv({ log: () => {} }),
    bulkBytes: 100 * MEBIBYTE,
    maxBufferedBytes: 32 * MEBIBYTE,
  }));
  transportSuite(`opaque as ${prefix} in memory`, () => inMemory(prefix, { bulkBytes: 10 * MEBIBYTE }));
  transportSuite(`opaque as ${prefix} in memory, in small pieces`, () =>
    inMemory(prefix, { bulkBytes: MEBIBYTE, maxChunkBytes: 977, windowBytes: 4000 }),
  );
}
