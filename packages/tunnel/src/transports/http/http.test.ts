import { createEnv } from '../../real-env.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import { http } from './http.ts';

const MEBIBYTE = 1024 * 1024;
/** What both ends hold: what is sent and not acknowledged, what waits for the reader, and what lies in between. */
const MAX_BUFFERED_BYTES = 12 * MEBIBYTE;

type Options = Readonly<Record<string, string>>;

function onSockets(options: Options): TransportFixture {
  return {
    transport: http,
    options,
    env: createEnv({ log: () => {} }),
    bulkBytes: 100 * MEBIBYTE,
    maxBufferedBytes: MAX_BUFFERED_BYTES,
    passesGarbage: false,
  };
}

transportSuite('http on real sockets', () => onSockets({}));
transportSuite('http over TLS on real sockets', () => onSockets({ tls: 'self', host: 'files.example' }));

interface InMemory extends Pick<MemoryNetworkOptions, 'maxChunkBytes' | 'windowBytes'> {
  readonly bulkBytes: number;
  readonly options?: Options;
}

function inMemory({ bulkBytes, options, ...network }: InMemory): TransportFixture {
  const clock = new ManualClock();
  const memory = new MemoryNetwork({ clock, ...network });
  return {
    transport: http,
    options,
    env: { network: memory, clock, random: new SeededRandom(2), log: () => {} },
    bulkBytes,
    maxBufferedBytes: MAX_BUFFERED_BYTES,
    passesGarbage: false,
    countOpen: () => memory.connections.length + memory.listenerCount,
  };
}

transportSuite('http in memory', () => inMemory({ bulkBytes: 10 * MEBIBYTE }));
transportSuite('http in memory, in small pieces', () =>
  inMemory({ bulkBytes: MEBIBYTE, maxChunkBytes: 977, windowBytes: 4000 }),
);
transportSuite('http over TLS in memory', () => inMemory({ bulkBytes: 4 * MEBIBYTE, options: { tls: 'self' } }));
transportSuite('http in memory, with little in a message', () =>
  inMemory({ bulkBytes: MEBIBYTE, options: { 'max-bytes': '8192' } }),
);
