import { createEnv } from '../../real-env.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import { websocket } from './websocket.ts';

const MEBIBYTE = 1024 * 1024;

interface InMemory extends Pick<MemoryNetworkOptions, 'maxChunkBytes' | 'windowBytes'> {
  readonly bulkBytes: number;
  readonly options: Readonly<Record<string, string>>;
}

function inMemory({ bulkBytes, maxChunkBytes, windowBytes, options }: InMemory): TransportFixture {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, maxChunkBytes, windowBytes });
  return {
    transport: websocket,
    env: { network, clock, random: new SeededRandom(2), log: () => {} },
    options,
    bulkBytes,
    maxBufferedBytes: 2 * MEBIBYTE,
    passesGarbage: false,
    countOpen: () => network.connections.length + network.listenerCount,
  };
}

for (const tls of ['none', 'self']) {
  const options = { tls };
  const dress = tls === 'none' ? 'plain' : 'TLS';
  transportSuite(`websocket, ${dress}, on real sockets`, () => ({
    transport: websocket,
    env: createEnv({ log: () => {} }),
    options,
    bulkBytes: 100 * MEBIBYTE,
    maxBufferedBytes: 32 * MEBIBYTE,
    passesGarbage: false,
  }));
  transportSuite(`websocket, ${dress}, in memory`, () => inMemory({ options, bulkBytes: 10 * MEBIBYTE }));
  transportSuite(`websocket, ${dress}, in memory, in small pieces`, () =>
    inMemory({ options, bulkBytes: MEBIBYTE, maxChunkBytes: 977, windowBytes: 4000 }),
  );
}
