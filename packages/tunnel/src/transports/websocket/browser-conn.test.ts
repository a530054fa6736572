// The transport over a browser's TLS, where this machine has it: the same suite, against a listener with a certificate that is vouched for.
import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { endingOf, readExactly } from '../../testing/stream-helpers.ts';
import { transportSuite } from '../../testing/transport-suite.ts';
import { createBrowserLoader } from '../../tls/browser-sockets.ts';
import { authorityExtensions, drawKey, nameExtensions, pemOfKey, signCertificate } from '../../tls/x509.ts';
import { BrowserConn } from './browser-conn.ts';
import { openBrowserDoor } from './browser-door.ts';
import { websocket } from './websocket.ts';

const NAME = 'www.example.org';
const MEBIBYTE = 1024 * 1024;
const LOOPBACK = { host: '127.0.0.1', port: 0 };

const folder = mkdtempSync(join(tmpdir(), 'rozan-browser-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Has an authority vouch for the listener; whoever asks the system's store trusts it from here on. */
function makeCertificates(): Readonly<Record<string, string>> {
  const random = new SeededRandom(6);
  const issuer = { name: 'An authority of tests', key: drawKey(random) };
  const subject = { name: NAME, key: drawKey(random) };
  const span = { fromMs: Date.now() - 86_400_000, toMs: Date.now() + 86_400_000 };
  const root = signCertificate(random, {
    subject: issuer,
    issuer,
    ...span,
    extensions: authorityExtensions(issuer.key, issuer.key),
  });
  const certificate = signCertificate(random, { subject, issuer, ...span, extensions: nameExtensions(NAME) });
  const path = (name: string) => join(folder, name);
  writeFileSync(path('root.pem'), root);
  writeFileSync(path('certificate.pem'), certificate);
  writeFileSync(path('key.pem'), pemOfKey(subject.key));
  assert.ok(new X509Certificate(certificate).checkPrivateKey(createPrivateKey(pemOfKey(subject.key))));
  process.env.SSL_CERT_FILE = path('root.pem');
  return { certificate: path('certificate.pem'), key: path('key.pem'), host: NAME };
}

const loadBrowserSockets = createBrowserLoader();
const options = makeCertificates();
const env: Env = { ...createEnv({ log: () => {} }), loadBrowserSockets };
const skip = (await loadBrowserSockets()) === null ? "no browser's TLS for this platform: wreq-js" : false;

if (!skip) {
  transportSuite("websocket, a browser's TLS, on real sockets", () => ({
    transport: websocket,
    env,
    options,
    bulkBytes: 40 * MEBIBYTE,
    maxBufferedBytes: 48 * MEBIBYTE,
    passesGarbage: false,
  }));
}

test('an entry that a browser could follow is dialled so, and a pinned one by Node', { skip }, async () => {
  const settings = await websocket.createSettings(env.random, options);
  const accepted = Promise.withResolvers<Conn>();
  const listener = await websocket.listen(env, { address: LOOPBACK, settings, onConn: accepted.resolve });
  const conn = await websocket.dial(env, { address: listener.address, params: websocket.paramsOf(settings) });
  assert.ok(conn instanceof BrowserConn);
  conn.write('flight');
  const server = await accepted.promise;
  assert.equal(String(await readExactly(server, 6)), 'flight');
  server.write('reply');
  assert.equal(String(await readExactly(conn, 5)), 'reply');
  conn.destroy();
  server.destroy();
  for (const change of [{ sni: 'other.example.org' }, { name: 'other.example.org' }, { alpn: ['h2', 'http/1.1'] }]) {
    const params = { ...websocket.paramsOf(settings), ...change };
    const failing = websocket.dial(env, { address: listener.address, params });
    const other = await failing.catch((error: unknown) => {
      assert.ok(error instanceof TunnelError);
      return null;
    });
    assert.ok(!(other instanceof BrowserConn));
    other?.destroy();
  }
  await listener.close();
});

test('a certificate that nobody vouches for is not taken, and the cookie is not sent', { skip }, async () => {
  const settings = await websocket.createSettings(env.random, { host: NAME, path: '/live/1' });
  let arrived = 0;
  const listener = await websocket.listen(env, { address: LOOPBACK, settings, onConn: () => void arrived++ });
  const params = { ...websocket.paramsOf(settings), tls: 'ca', pin: undefined } as const;
  const conn = await websocket.dial(env, { address: listener.address, params });
  conn.write('flight');
  const ending = await endingOf(conn);
  assert.equal(ending.kind, 'error');
  await listener.close();
  assert.ok(ending.kind === 'error' && ending.error instanceof TunnelError);
  assert.equal(ending.error.code, 'not-authentic');
  assert.equal(arrived, 0);
});

test('the door is open to whoever knows its password, and once', async () => {
  const under = Promise.withResolvers<Conn>();
  const far = await env.network.listen(LOOPBACK, under.resolve);
  const near = await env.network.dial(far.address);
  const door = await openBrowserDoor(env, near, () => {});
  const url = new URL(door.proxy);
  const at = { host: url.hostname, port: Number(url.port) };
  const ask = (password: string) =>
    `CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic ${btoa(`rozan:${password}`)}\r\n\r\n`;
  for (const head of ['GET / HTTP/1.1\r\n\r\n', ask('x'), 'CONNECT a.example:443 HTTP/1.1\r\n\r\n', 'x'.repeat(9000)]) {
    const stranger = await env.network.dial(at);
    const ending = endingOf(stranger);
    stranger.write(head);
    assert.notEqual((await ending).kind, 'data');
    stranger.destroy();
  }
  const friend = await env.network.dial(at);
  for (const character of ask(url.password)) friend.write(character);
  assert.match(String(await readExactly(friend, 12)), /^HTTP\/1\.1 200/);
  friend.write('hello');
  assert.equal(String(await readExactly(await under.promise, 5)), 'hello');
  await assert.rejects(env.network.dial(at));
  door.close();
  near.destroy();
  (await under.promise).destroy();
  await far.close();
});
