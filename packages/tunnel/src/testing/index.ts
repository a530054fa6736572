export { turnsUntil, withoutLeaks } from './leak-check.ts';
export { ManualClock } from './manual-clock.ts';
export type { CutKind } from './memory-lane.ts';
export { type MemoryConnection, MemoryNetwork, type MemoryNetworkOptions } from './memory-network.ts';
export { createMemoryPair, type MemoryPair, type MemoryPairOptions } from './memory-pipe.ts';
export { leastRandom, SeededRandom } from './seeded-random.ts';
export { listenSiteAlone } from './site-alone.ts';
export { type Ending, endingOf, hashAll, readAll, readExactly, writeRepeatedly } from './stream-helpers.ts';
export { type TransportFixture, transportSuite } from './transport-suite.ts';
