import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { type Conn, createEnv, type Env, parseUpstreamProxy, viaProxy } from '@rozan/tunnel';
import { MemoryNetwork } from '@rozan/tunnel/testing';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { Fetcher } from './fetcher.ts';
import { createMirrorDial } from './mirror-dial.ts';

const MIRROR = { host: '203.0.113.7', port: 80 };
const PROXY = { host: '192.0.2.1', port: 3128 };

/** An environment without sockets: whatever is dialled is a stream in memory. */
function memoryEnv(publisher: TestPublisher): Env {
  const env = createEnv({ log: () => {} });
  return { ...env, network: new MemoryNetwork({ clock: env.clock }), clock: publisher.clock };
}

async function listenMirror(env: Env, publisher: TestPublisher): Promise<{ connections: number }> {
  const counts = { connections: 0 };
  const server = createServer(async (request, response) => {
    const body = await publisher.storage.read((request.url ?? '').slice(1));
    if (body === null) response.writeHead(404).end('no such file');
    else response.writeHead(200, { 'content-length': body.length }).end(body);
  });
  await env.network.listen(MIRROR, (conn) => {
    counts.connections += 1;
    server.emit('connection', conn);
  });
  return counts;
}

test('a mirror is reached over connections of any make, one for many files, by a name that is looked up', async () => {
  const publisher = await TestPublisher.create();
  const key = publisher.addList(5);
  await publisher.publish();
  const env = memoryEnv(publisher);
  const counts = await listenMirror(env, publisher);
  const looked: string[] = [];
  const dial = createMirrorDial(env, {
    resolve: async (name) => {
      looked.push(name);
      return MIRROR.host;
    },
  });
  const store = createMemoryStorage(publisher.clock);
  const options = { root: await publisher.rootBytes(), store, mirrors: { urls: ['http://papers.example/'], dial } };
  using fetcher = await Fetcher.open(env, options);
  await fetcher.refresh();
  assert.equal((await fetcher.entryList(key)).entries.length, 5);
  assert.deepEqual([counts.connections, looked], [1, ['papers.example']]);
});

test('a mirror is reached through an upstream proxy, which resolves its name', async () => {
  const publisher = await TestPublisher.create();
  const env = memoryEnv(publisher);
  await listenMirror(env, publisher);
  const asked: string[] = [];
  await env.network.listen(PROXY, (conn: Conn) => {
    let head = '';
    conn.on('data', function onHead(bytes: Buffer) {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      conn.off('data', onHead);
      asked.push(head.split(' ')[1] ?? '');
      env.network.dial(MIRROR).then(
        (mirror) => {
          conn.write('HTTP/1.1 200 OK\r\n\r\n');
          conn.pipe(mirror).pipe(conn);
        },
        () => conn.destroy(),
      );
    });
  });
  const network = viaProxy(env.network, parseUpstreamProxy(`http://${PROXY.host}:${PROXY.port}`));
  const dial = createMirrorDial({ ...env, network });
  const store = createMemoryStorage(publisher.clock);
  const options = { root: await publisher.rootBytes(), store, mirrors: { urls: ['http://papers.example/'], dial } };
  using fetcher = await Fetcher.open(env, options);
  assert.equal((await fetcher.refresh()).version, 1);
  assert.deepEqual(asked, ['papers.example:80']);
});
