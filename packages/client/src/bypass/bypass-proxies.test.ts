import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createEnv, type SocketAddress, type StreamOpener, StreamResetError } from '@rozan/tunnel';
import {
  createOrigin,
  createProxyWorld,
  endOf,
  readAnswer,
  readFrom,
  readHead,
  send,
} from '../local-proxy/testing/proxy-world.ts';
import { BypassOpener } from './bypass-opener.ts';
import type { BypassRules } from './bypass-rules.ts';

const HOME = '5.160.0.1';
const RULES: BypassRules = {
  country: 'IR',
  names: new Set(['ir']),
  countryOf: (address) => (address === HOME ? 'IR' : null),
};

/** The local proxies over an opener whose domestic places are a site of this machine, and whose tunnel leads nowhere. */
async function createDomesticWorld() {
  await using stack = new AsyncDisposableStack();
  const asked = { tunnel: [] as string[], resolver: [] as string[], dials: 0 };
  const origin = stack.use(
    await createOrigin((request, response) => {
      response.setHeader('Content-Length', '5');
      response.end(request.method === 'HEAD' ? '' : 'hello');
    }),
  );
  origin.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello');
    socket.pipe(socket);
  });
  const env = createEnv({ log: () => {} });
  const dial = async ({ host, port }: SocketAddress) => {
    assert.equal(host, HOME);
    asked.dials += 1;
    return await env.network.dial({ host: '127.0.0.1', port });
  };
  const tunnel: Pick<StreamOpener, 'open' | 'isLive'> = {
    isLive: () => false,
    open: async ({ host }) => {
      asked.tunnel.push(host);
      throw new StreamResetError('unreachable');
    },
  };
  const state = { rules: RULES as BypassRules | null };
  const opener = new BypassOpener(
    { ...env, network: { ...env.network, dial } },
    {
      tunnel: tunnel as StreamOpener,
      rules: () => state.rules,
      resolve: async (name) => {
        asked.resolver.push(name);
        return HOME;
      },
    },
  );
  const world = stack.use(await createProxyWorld({ opener }));
  const running = stack.move();
  const get = (host: string) => `GET http://${host}:${origin.port}/ HTTP/1.1\r\nHost: ${host}:${origin.port}\r\n\r\n`;
  return { world, opener, asked, state, port: origin.port, get, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

test('requests to a domestic site share a direct connection, until it is turned off', async () => {
  await using domestic = await createDomesticWorld();
  const { world, opener, asked, state, get } = domestic;
  const conn = await send(world, get('bank.ir'));
  assert.equal((await readAnswer(conn)).body, 'hello');
  conn.write(get('bank.ir'));
  assert.equal((await readAnswer(conn)).body, 'hello');
  assert.deepEqual(asked, { tunnel: [], resolver: ['bank.ir'], dials: 1 });
  state.rules = null;
  opener.endDirect();
  conn.write(get('bank.ir'));
  assert.equal((await readAnswer(conn)).status, 502);
  assert.deepEqual(asked, { tunnel: ['bank.ir'], resolver: ['bank.ir'], dials: 1 });
  assert.equal(opener.direct, 0);
  conn.destroy();
});

test('CONNECT, WebSockets and SOCKS reach a domestic site directly, also without a session', async () => {
  await using domestic = await createDomesticWorld();
  const { world, asked, port } = domestic;
  const connected = await send(world, `CONNECT bank.ir:${port} HTTP/1.1\r\nHost: bank.ir:${port}\r\n\r\n`);
  assert.match(await readHead(connected), /^HTTP\/1.1 200 /);
  connected.write('GET / HTTP/1.1\r\nHost: bank.ir\r\nConnection: close\r\n\r\n');
  assert.equal((await readAnswer(connected)).body, 'hello');
  assert.equal(await endOf(connected), 'clean');

  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const socket = await send(world, `GET http://chat.ir:${port}/ HTTP/1.1\r\nHost: chat.ir:${port}\r\n${upgrade}\r\n`);
  assert.match(await readHead(socket), /^HTTP\/1.1 101 /);
  assert.equal((await readFrom(socket, 5)).toString(), 'hello');
  socket.write('ping');
  assert.equal((await readFrom(socket, 4)).toString(), 'ping');
  socket.destroy();

  const socks = await world.connect('socks');
  const name = Buffer.from('shop.ir');
  socks.write(Buffer.from([5, 1, 0]));
  assert.deepEqual([...(await readFrom(socks, 2))], [5, 0]);
  socks.write(Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([port >> 8, port & 255])]));
  assert.equal((await readFrom(socks, 10))[1], 0);
  socks.write('GET / HTTP/1.1\r\nHost: shop.ir\r\nConnection: close\r\n\r\n');
  assert.equal((await readAnswer(socks)).body, 'hello');
  socks.destroy();
  assert.deepEqual(asked, { tunnel: [], resolver: ['bank.ir', 'chat.ir', 'shop.ir'], dials: 3 });
});

test('other names are neither looked up nor dialled on this side, whatever proxy is asked', async () => {
  await using domestic = await createDomesticWorld();
  const { world, asked, get, port } = domestic;
  const conn = await send(world, get('news.example.com'));
  assert.equal((await readAnswer(conn)).status, 502);
  conn.destroy();
  const connected = await send(
    world,
    `CONNECT ir.example.com:${port} HTTP/1.1\r\nHost: ir.example.com:${port}\r\n\r\n`,
  );
  assert.match(await readHead(connected), /^HTTP\/1.1 502 /);
  connected.destroy();
  const socks = await world.connect('socks');
  socks.write(Buffer.from([5, 1, 0]));
  await readFrom(socks, 2);
  socks.write(Buffer.from([5, 1, 0, 1, 8, 8, 8, 8, 0, 80]));
  const ended = once(socks, 'end');
  assert.notEqual((await readFrom(socks, 10))[1], 0);
  socks.resume();
  await ended;
  assert.deepEqual(asked, { tunnel: ['news.example.com', 'ir.example.com', '8.8.8.8'], resolver: [], dials: 0 });
});
