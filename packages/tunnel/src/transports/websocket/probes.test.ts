import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Clock, Env } from '../../env.ts';
import type { Conn, SocketAddress } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { MAX_HESITATION_MS } from '../../site/limits.ts';
import { createSite } from '../../site/site.ts';
import { createWebServer } from '../../site/web-server.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { endingOf, readExactly } from '../../testing/stream-helpers.ts';
import { dialSecure } from '../../tls/client.ts';
import { createSecureServer } from '../../tls/server.ts';
import { writeCookie } from './flight-cookie.ts';
import { listenWebSocket } from './listen.ts';
import { identityOf } from './listener-tls.ts';
import { createWebSocketSettings, type WebSocketSettings } from './settings.ts';
import { upgradeAnswer, upgradeRequest } from './upgrade.ts';

const LOOPBACK: SocketAddress = { host: '127.0.0.1', port: 0 };
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const FLIGHT = Buffer.from('a first flight that was recorded');

function inMemory(clock: Clock = createEnv({ log: () => {} }).clock): Env {
  return { network: new MemoryNetwork({ clock }), clock, random: new SeededRandom(3), log: () => {} };
}

const NETWORKS = [
  ['real sockets', () => createEnv({ log: () => {} })],
  ['memory', inMemory],
] as const;

/** The listener's options, and who takes its connections. */
interface SetUp {
  readonly tls: string;
  readonly forwarded?: string;
  readonly onConn: (conn: Conn) => void;
}

/** A listener, and beside it the same site with the transport off. */
async function open(t: TestContext, env: Env, setUp: SetUp) {
  const { onConn, ...options } = setUp;
  const settings = await createWebSocketSettings(new SeededRandom(1), options);
  const listener = await listenWebSocket(env, { address: LOOPBACK, settings, onConn });
  const off = createWebServer(env, createSite(env, settings.site));
  const identity = identityOf(settings.tls);
  const secure = identity === null ? null : createSecureServer(identity, ['http/1.1'], off.serve);
  const serve = (conn: Conn) => (secure === null ? off.serve(conn) : secure.serve(conn));
  const plainSite = await env.network.listen(LOOPBACK, serve);
  t.after(async () => {
    await listener.close();
    await plainSite.close();
    off.close();
  });
  return { settings, listener, plainSite };
}

/** What a prober sees: every byte but for the time of day, and how it ends. */
async function probe(env: Env, address: SocketAddress, { settings, bytes, isRaw, ends }: Probe): Promise<string> {
  const isPlain = isRaw || settings.params.tls === 'none';
  const { pin } = settings.params;
  const conn = isPlain ? await env.network.dial(address) : await dialSecure(env, address, { pin, alpn: ['http/1.1'] });
  const chunks: Buffer[] = [];
  conn.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ending = endingOf(conn);
  for (const part of bytes) conn.write(part);
  if (ends) conn.end();
  const { kind } = await ending;
  conn.destroy();
  return `${Buffer.concat(chunks)
    .toString('latin1')
    .replace(/^Date: .*$/gm, 'Date: …')}\n${kind}`;
}

interface Probe {
  readonly settings: WebSocketSettings;
  readonly bytes: readonly Buffer[];
  /** Past TLS. */
  readonly isRaw?: boolean;
  /** The prober ends its side, as the server may wait for more. */
  readonly ends?: boolean;
}

/** A request of a client of ours, perhaps with changes; the connection is closed behind the answer. */
function requestOf(
  { params }: WebSocketSettings,
  changes: readonly (readonly [string | RegExp, string])[] = [],
  flight: Buffer = FLIGHT,
): Buffer {
  let text = String(upgradeRequest(params, { host: 'x.example', key: KEY, flight }));
  text = text.replace('Connection: Upgrade', 'Connection: Upgrade, close');
  for (const [what, other] of changes) text = text.replace(what, other);
  return Buffer.from(text);
}

/** What people send who look for tunnels. */
function probesOf(settings: WebSocketSettings): Readonly<Record<string, Omit<Probe, 'settings'>>> {
  const { path, cookie } = settings.params;
  const wrongKey = writeCookie({ name: cookie, key: Buffer.alloc(32, 1).toString('base64url') }, FLIGHT);
  const random = new SeededRandom(9);
  const one = (...changes: readonly (readonly [string | RegExp, string])[]) => ({
    bytes: [requestOf(settings, changes)],
  });
  const raw = (text: string) => ({ bytes: [Buffer.from(text, 'latin1')] });
  return {
    'a page': raw('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    'HTTP/1.0': raw('GET / HTTP/1.0\r\n\r\n'),
    'a post': raw('POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc'),
    'no host': raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'),
    'the path without upgrade': raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    'another path': one([path, '/chat']),
    'a longer path': one([path, `${path}/x`]),
    'a query': one([path, `${path}?x=1`]),
    'no cookie': one([/Cookie: .*\r\n/, '']),
    'an empty cookie': one([/Cookie: .*\r\n/, `Cookie: ${cookie}=\r\n`]),
    'a cookie under another key': one([/Cookie: .*\r\n/, `Cookie: ${wrongKey}\r\n`]),
    'a cookie of another name': one([/Cookie: \w+=/, 'Cookie: other=']),
    'a changed flight': one([/.(?=\r\nSec-WebSocket-Key)/, '~']),
    'another version': one(['Version: 13', 'Version: 8']),
    'a short key': one([KEY, 'AAAA']),
    'another protocol': one(['Upgrade: websocket', 'Upgrade: h2c']),
    'another method': one(['GET ', 'PUT ']),
    'a proxy request': raw('GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n'),
    connect: raw('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nConnection: close\r\n\r\n'),
    'a head without end': raw(`GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}`),
    'HTTP garbage': raw('GET\r\n\r\n\r\n'),
    'bytes that are nothing': { bytes: [random.bytes(300), random.bytes(2000)] },
    'SOCKS 5': { bytes: [Buffer.from([5, 1, 0]), Buffer.from(random.bytes(700))] },
    'a second request behind a refused one': {
      bytes: [
        requestOf(settings, [
          [/Cookie: .*\r\n/, ''],
          [', close', ''],
        ]),
        requestOf(settings, [[/Cookie: .*\r\n/, '']]),
      ],
      ends: true,
    },
    'bytes that are no TLS': { bytes: [random.bytes(300)], isRaw: true },
    'HTTP where TLS is': {
      bytes: [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')],
      isRaw: true,
    },
    'a TLS record that is none': {
      bytes: [Buffer.concat([Buffer.from([0x16, 3, 1, 0, 200]), random.bytes(200)])],
      isRaw: true,
    },
  };
}

for (const [name, makeEnv] of NETWORKS) {
  for (const tls of ['none', 'self']) {
    test(`strangers get what the site gives: ${tls === 'none' ? 'plain' : 'TLS'}, ${name}`, async (t) => {
      const env = makeEnv();
      const reached: Conn[] = [];
      const { settings, listener, plainSite } = await open(t, env, { tls, onConn: (conn) => reached.push(conn) });
      for (const [title, sent] of Object.entries(probesOf(settings))) {
        const seen = await probe(env, listener.address, { settings, ...sent });
        const wanted = await probe(env, plainSite.address, { settings, ...sent });
        assert.equal(seen, wanted, title);
      }
      assert.equal(reached.length, 0, 'none of them gets as far as the relay');
    });

    test(`what is declined gets what the site gives: ${tls === 'none' ? 'plain' : 'TLS'}, ${name}`, async (t) => {
      const env = makeEnv();
      const flights: string[] = [];
      const { settings, listener, plainSite } = await open(t, env, {
        tls,
        onConn: (conn) => {
          conn.once('data', (bytes: Buffer) => {
            flights.push(String(bytes));
            conn.pause();
            setImmediate(() => conn.decline?.());
          });
        },
      });
      for (const [index, behind] of [
        '',
        'GET /about HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
        '\x82\x85abcdefghi',
      ].entries()) {
        const flight = Buffer.concat([FLIGHT, Buffer.of(index)]);
        const keepsOpen: [string, string][] = behind === '' ? [] : [[', close', '']];
        const bytes = [Buffer.concat([requestOf(settings, keepsOpen, flight), Buffer.from(behind, 'latin1')])];
        const seen = await probe(env, listener.address, { settings, bytes, ends: behind !== '' });
        assert.match(seen, /^HTTP\/1\.1 404 /);
        assert.equal(seen, await probe(env, plainSite.address, { settings, bytes, ends: behind !== '' }));
      }
      assert.deepEqual(
        flights,
        Array.from({ length: 3 }, (_, index) => String(Buffer.concat([FLIGHT, Buffer.of(index)]))),
      );
      // Shown again it is a stranger's at once, and nobody is asked.
      const recorded = [requestOf(settings, [], Buffer.concat([FLIGHT, Buffer.of(0)]))];
      const seen = await probe(env, listener.address, { settings, bytes: recorded });
      assert.equal(seen, await probe(env, plainSite.address, { settings, bytes: recorded }));
      assert.equal(flights.length, 3);
    });
  }
}

test('who never gets a decision gets the site', async (t) => {
  const clock = new ManualClock();
  const env = inMemory(clock);
  const { settings, listener } = await open(t, env, { tls: 'none', onConn: (conn) => conn.resume() });
  const answer = probe(env, listener.address, { settings, bytes: [requestOf(settings)] });
  await clock.advance(11_000);
  await clock.advance(2 * MAX_HESITATION_MS);
  assert.match(await answer, /^HTTP\/1\.1 404 /);
});

test('consent comes with the first bytes of the relay, behind them what came early', async (t) => {
  const env = inMemory();
  const accepted = Promise.withResolvers<Conn>();
  const { settings, listener } = await open(t, env, { tls: 'none', onConn: accepted.resolve });
  const conn = await env.network.dial(listener.address);
  conn.write(Buffer.concat([requestOf(settings), Buffer.from([0x82, 0x81, 0, 0, 0, 0, 33])]));
  const server = await accepted.promise;
  assert.deepEqual(await readExactly(server, FLIGHT.length), FLIGHT);
  assert.equal(conn.readableLength, 0);
  server.write('yes');
  const answer = Buffer.concat([upgradeAnswer(KEY), Buffer.from([0x82, 3]), Buffer.from('yes')]);
  assert.deepEqual(await readExactly(conn, answer.length), answer);
  assert.equal(String(await readExactly(server, 1)), '!');
  server.destroy();
  conn.destroy();
});

test('a server in front is believed only if it is to be', async (t) => {
  const env = inMemory();
  for (const [forwarded, expected] of [
    [{}, undefined],
    [{ forwarded: 'X-Forwarded-For' }, '198.51.100.7'],
  ] as const) {
    const accepted = Promise.withResolvers<Conn>();
    const { settings, listener } = await open(t, env, { tls: 'none', ...forwarded, onConn: accepted.resolve });
    const conn = await env.network.dial(listener.address);
    const header = 'X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\nUpgrade:';
    conn.write(requestOf(settings, [['Upgrade:', header]]));
    const server = await accepted.promise;
    assert.equal(server.remoteAddress, expected ?? '127.0.0.1');
    server.destroy();
    conn.destroy();
  }
});
