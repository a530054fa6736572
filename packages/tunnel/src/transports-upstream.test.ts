// Every transport, in each of its dresses, through each kind of upstream proxy.
import type { Network } from './network.ts';
import { createEnv } from './real-env.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from './testing/memory-network.ts';
import { SeededRandom } from './testing/seeded-random.ts';
import { type TransportFixture, transportSuite } from './testing/transport-suite.ts';
import { findTransport } from './transports.ts';
import { type SmallProxyOptions, startSmallProxy } from './upstream/testing/small-proxy.ts';
import { viaProxy } from './upstream-proxy.ts';

const MEBIBYTE = 1024 * 1024;
const LOGIN = { user: 'ada', password: 'pä:ss' };
const ANY_PORT = { host: '127.0.0.1', port: 0 };
/** Those that run programs of others have a suite of their own. */
const DRESSES: readonly (readonly [name: string, options: Readonly<Record<string, string>>])[] = [
  ['opaque', { delay: '0' }],
  ['opaque', { delay: '0', prefix: 'http' }],
  ['opaque', { delay: '0', prefix: 'ssh' }],
  ['opaque', { delay: '0', prefix: 'tls' }],
  ['websocket', { tls: 'none' }],
  ['websocket', { tls: 'self' }],
  ['http', { 'max-age': '1' }],
  ['http', { 'max-age': '1', tls: 'self' }],
];

/** The same network, with each connection dialled through a proxy that is there for the time of dialling. */
function proxied(network: Network, options: SmallProxyOptions): Network {
  return {
    ...viaProxy(network, { ...options, ...ANY_PORT }),
    dial: async (...given) => {
      const proxy = await startSmallProxy(network, options);
      const { kind, credentials } = options;
      try {
        return await viaProxy(network, { kind, credentials, ...proxy.address }).dial(...given);
      } finally {
        await proxy.close();
      }
    },
  };
}

function inMemory(
  fixture: Pick<TransportFixture, 'transport' | 'options' | 'passesGarbage' | 'bulkBytes'>,
  proxy: SmallProxyOptions,
  options: Partial<MemoryNetworkOptions>,
): TransportFixture {
  // Not by hand: where a proxy slows dialling down, a transport of several connections has to wait for one of them to be free.
  const { clock } = createEnv({ log: () => {} });
  const network = new MemoryNetwork({ clock, ...options });
  return {
    ...fixture,
    env: { network: proxied(network, proxy), clock, random: new SeededRandom(2), log: () => {} },
    maxBufferedBytes: 12 * MEBIBYTE,
    countOpen: () => network.connections.length + network.listenerCount,
  };
}

for (const [name, options] of DRESSES) {
  const found = findTransport(name);
  if (found === null) throw new Error(`there is no transport ${name}`);
  const passesGarbage = found.traits.silentToStrangers && options.prefix === undefined;
  // What is imitated answers strangers.
  const transport = { ...found, traits: { ...found.traits, silentToStrangers: passesGarbage } };
  const dress = [name, options.prefix ?? options.tls ?? ''].join(' ').trim();
  for (const kind of ['http', 'socks5'] as const) {
    const title = `${dress} through an upstream proxy: ${kind}`;
    const suite = (where: string, make: (bulkBytes: number) => TransportFixture, bulkBytes: number) =>
      transportSuite(`${title}, ${where}`, () => make(bulkBytes));
    const common = { transport, options, passesGarbage };
    suite(
      'on real sockets',
      (bulkBytes) => {
        const env = createEnv({ log: () => {} });
        const network = proxied(env.network, { kind, credentials: LOGIN });
        return { ...common, env: { ...env, network }, bulkBytes, maxBufferedBytes: 64 * MEBIBYTE };
      },
      40 * MEBIBYTE,
    );
    suite(
      'in memory',
      (bulkBytes) => inMemory({ ...common, bulkBytes }, { kind, credentials: null }, {}),
      4 * MEBIBYTE,
    );
    suite(
      'in small pieces',
      (bulkBytes) =>
        inMemory({ ...common, bulkBytes }, { kind, credentials: LOGIN }, { maxChunkBytes: 977, windowBytes: 4000 }),
      MEBIBYTE,
    );
  }
}
