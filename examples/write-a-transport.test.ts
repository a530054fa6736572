import { createEnv } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom, transportSuite } from '@rozan/tunnel/testing';
import { toy } from './write-a-transport.ts';

const MEBIBYTE = 1024 * 1024;

transportSuite('the example, on real sockets', () => ({
  transport: toy,
  env: createEnv({ log: () => {} }),
  bulkBytes: 8 * MEBIBYTE,
  maxBufferedBytes: 32 * MEBIBYTE,
  passesGarbage: false,
}));

transportSuite('the example, in memory and in small pieces', () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, maxChunkBytes: 977, windowBytes: 4000 });
  return {
    transport: toy,
    env: { network, clock, random: new SeededRandom(2), log: () => {} },
    bulkBytes: MEBIBYTE,
    maxBufferedBytes: MEBIBYTE,
    passesGarbage: false,
    countOpen: () => network.connections.length + network.listenerCount,
  };
});
