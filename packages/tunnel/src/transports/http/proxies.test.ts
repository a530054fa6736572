// Through proxies of every strictness, both directions at once, byte for byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { withoutLeaks } from '../../testing/leak-check.ts';
import { hashAll, readExactly, writeRepeatedly } from '../../testing/stream-helpers.ts';
import { http } from './http.ts';
import { type StrictProxy, type StrictProxyOptions, startStrictProxy } from './testing/strict-proxy.ts';

const env = createEnv({ log: () => {} });
const CHUNK_BYTES = 32 * 1024;
const TIMES = 48;

interface Pair {
  readonly client: Conn;
  readonly server: Conn;
  readonly proxy: StrictProxy;
}

/** A connection through a proxy, whose first bytes have gone both ways. */
async function throughProxy(options: StrictProxyOptions, run: (pair: Pair) => Promise<void>): Promise<void> {
  await withoutLeaks(async () => {
    const settings = await http.createSettings(env.random, { 'max-age': '4' });
    let arrived: (conn: Conn) => void = () => {};
    const arrival = new Promise<Conn>((resolve) => {
      arrived = resolve;
    });
    const address = { host: '127.0.0.1', port: 0 };
    const listener = await http.listen(env, { address, settings, onConn: (conn) => arrived(conn) });
    const proxy = await startStrictProxy(env.network, listener.address, options);
    const client = await http.dial(env, { address: proxy.address, params: http.paramsOf(settings) });
    try {
      client.write('first flight');
      const server = await arrival;
      assert.equal(String(await readExactly(server, 12)), 'first flight');
      server.write('reply');
      assert.equal(String(await readExactly(client, 5)), 'reply');
      await run({ client, server, proxy });
      server.destroy();
    } finally {
      client.destroy();
      await listener.close();
      await proxy.close();
    }
  });
}

async function bothWays({ client, server }: Pair): Promise<void> {
  const [up, down] = [env.random.bytes(CHUNK_BYTES), env.random.bytes(CHUNK_BYTES)];
  const [gotUp, gotDown, sentUp, sentDown] = await Promise.all([
    hashAll(server),
    hashAll(client),
    writeRepeatedly(client, up, TIMES),
    writeRepeatedly(server, down, TIMES),
  ]);
  assert.equal(gotUp, sentUp);
  assert.equal(gotDown, sentDown);
}

const PROXIES: readonly (readonly [name: string, options: StrictProxyOptions])[] = [
  ['passes on as it comes', {}],
  ['holds whole bodies back', { buffers: true }],
  ['closes after each answer', { closes: true }],
  ['holds back, and closes', { buffers: true, closes: true }],
  ['answers as HTTP/1.0', { answersOldStyle: true }],
  ['holds back, and answers as HTTP/1.0', { buffers: true, answersOldStyle: true }],
  ['asks the listener twice', { buffers: true, repeats: true }],
  ['fails every seventh time', { buffers: true, failsEvery: 7 }],
];

for (const [name, options] of PROXIES) {
  test(`a proxy that ${name}`, async () => {
    await throughProxy(options, async (pair) => {
      await bothWays(pair);
      const { paths } = pair.proxy;
      assert.equal(new Set(paths).size, paths.length, 'no address is asked for twice');
      assert.ok(pair.proxy.largestBytes <= 512 * 1024 + 8192);
    });
  });
}

test('one byte after the other, through a proxy that holds everything back', async () => {
  await throughProxy({ buffers: true, closes: true }, async ({ client, server }) => {
    server.pipe(server);
    for (let round = 0; round < 20; round += 1) {
      client.write('x');
      assert.equal(String(await readExactly(client, 1)), 'x');
    }
  });
});
