import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import type { Conn, Listener } from '../network.ts';
import { createEnv } from '../real-env.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { endingOf } from '../testing/stream-helpers.ts';
import { CertificateShelf } from './certificates.ts';
import { createCertifiedServer } from './certified-server.ts';
import { CHALLENGE_ALPN, looksLikeChallenge } from './challenge-hello.ts';
import { createChallengeIdentity, createSelfSigned } from './self-signed.ts';
import { createSecureServer } from './server.ts';

const NAME = 'www.example.org';
const random = new SeededRandom(4);
const [fallback, given] = [createSelfSigned(random, NAME), createSelfSigned(random, NAME)];
const challenge = createChallengeIdentity(random, NAME, createHash('sha256').update('token.thumbprint').digest());
const env = createEnv({ log: () => {} });

/** What a client that offers these protocols sees: the certificate and protocol, or how its attempt ended. */
async function meet({ address }: Listener, protocols: readonly string[]): Promise<string> {
  const socket: TLSSocket = connect({
    host: address.host,
    port: address.port,
    servername: NAME,
    rejectUnauthorized: false,
    ALPNProtocols: [...protocols],
  });
  try {
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    const shown = [fallback, given, challenge].findIndex(({ certificate }) =>
      new X509Certificate(certificate).raw.equals(raw),
    );
    return `${['fallback', 'given', 'challenge'][shown]} ${socket.alpnProtocol}`;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'closed';
  } finally {
    socket.destroy();
  }
}

async function listenCertified(shelf: CertificateShelf): Promise<Listener> {
  const onSecure = (conn: Conn) => void conn.resume().end('secure');
  const server = createCertifiedServer(env, {
    name: NAME,
    certificates: shelf,
    fallback,
    alpn: ['http/1.1'],
    onSecure,
  });
  return env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => server.serve(conn));
}

test('the latest certificate is shown, and the challenge to those who ask for it, only while one is expected', async () => {
  const shelf = new CertificateShelf();
  const listener = await listenCertified(shelf);
  const plain = createSecureServer(fallback, ['http/1.1'], (conn) => void conn.resume().end());
  const other = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => plain.serve(conn));
  const refused = await meet(other, [CHALLENGE_ALPN]);
  assert.match(refused, /NO_APPLICATION_PROTOCOL/);

  assert.equal(await meet(listener, ['http/1.1']), 'fallback http/1.1');
  assert.equal(await meet(listener, [CHALLENGE_ALPN]), refused);
  shelf.set([{ name: NAME, identity: null, challenge }]);
  assert.equal(await meet(listener, [CHALLENGE_ALPN]), `challenge ${CHALLENGE_ALPN}`);
  assert.equal(await meet(listener, ['http/1.1']), 'fallback http/1.1');
  assert.equal(await meet(listener, [CHALLENGE_ALPN, 'http/1.1']), 'fallback http/1.1');
  shelf.set([{ name: NAME, identity: given, challenge: null }]);
  assert.equal(await meet(listener, ['http/1.1']), 'given http/1.1');
  assert.equal(await meet(listener, [CHALLENGE_ALPN]), refused);
  await Promise.all([listener.close(), other.close()]);
});

/** What comes back to these bytes, and how it ends. */
async function answerTo({ address }: Listener, pieces: readonly Buffer[]): Promise<string> {
  const conn = await env.network.dial(address);
  const said: Buffer[] = [];
  conn.on('data', (bytes: Buffer) => said.push(bytes));
  const ending = endingOf(conn);
  for (const piece of pieces) {
    if (conn.destroyed) break;
    conn.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  conn.end();
  const { kind } = await ending;
  conn.on('error', () => {}).destroy();
  // Whether the last of many writes still finds somebody there is chance.
  return `${pieces.length > 1 ? '' : kind} ${Buffer.concat(said).toString('hex')}`;
}

test('what is no hello, or half of one, gets the same answer whether a challenge is expected or not', async () => {
  const shelves = [new CertificateShelf(), new CertificateShelf([{ name: NAME, identity: null, challenge }])];
  const [quiet, waiting] = await Promise.all(shelves.map(listenCertified));
  assert.ok(quiet && waiting);
  const probes = [
    '',
    'GET / HTTP/1.1\r\n\r\n',
    '\x16',
    '\x16\x03\x01\x02\x00\x01',
    '\x16\x03\x01\xff\xff',
    '\x15\x03\x01\x00\x02\x01\x00',
  ];
  for (const probe of probes.map((text) => Buffer.from(text, 'latin1'))) {
    const pieces = [...probe].map((byte) => Buffer.from([byte]));
    for (const parts of [[probe], pieces]) assert.equal(await answerTo(waiting, parts), await answerTo(quiet, parts));
  }
  await Promise.all([quiet.close(), waiting.close()]);
});

/** The hello of Node for these protocols. */
async function helloFor(protocols: readonly string[]): Promise<Buffer> {
  const first = Promise.withResolvers<Buffer>();
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.once('data', (bytes: Buffer) => {
      first.resolve(bytes);
      conn.destroy();
    });
  });
  await meet(listener, protocols);
  await listener.close();
  return first.promise;
}

test('a question is told from any other hello, byte by byte, once its record is whole; rubbish is none', async () => {
  for (const [protocols, isChallenge] of [
    [[CHALLENGE_ALPN], true],
    [['h2', 'http/1.1'], false],
    [[CHALLENGE_ALPN, 'h2'], false],
  ] as const) {
    const hello = await helloFor(protocols);
    for (let length = 0; length < hello.length; length++)
      assert.equal(looksLikeChallenge(hello.subarray(0, length)), 'more');
    assert.equal(looksLikeChallenge(hello), isChallenge);
    assert.equal(looksLikeChallenge(Buffer.concat([hello, hello])), isChallenge);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const verdict = looksLikeChallenge(Buffer.from(bytes));
      assert.ok(verdict === false || verdict === 'more');
    }),
  );
});
