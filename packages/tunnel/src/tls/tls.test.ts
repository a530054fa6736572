import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type { Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import type { Conn } from '../network.ts';
import { createEnv } from '../real-env.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { endingOf, readAll, readExactly } from '../testing/stream-helpers.ts';
import { dialSecure } from './client.ts';
import { pinOfPem } from './pin.ts';
import { createSelfSigned } from './self-signed.ts';
import { createSecureServer } from './server.ts';

function inMemory(): Env {
  const clock = new ManualClock();
  return { network: new MemoryNetwork({ clock }), clock, random: new SeededRandom(3), log: () => {} };
}

const NETWORKS = [
  ['real sockets', () => createEnv({ log: () => {} })],
  ['memory', inMemory],
] as const;

async function listen(env: Env) {
  const identity = createSelfSigned(new SeededRandom(1), 'www.example.org');
  const accepted = Promise.withResolvers<Conn>();
  const server = createSecureServer(identity, ['http/1.1'], accepted.resolve);
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => server.serve(conn));
  return { listener, accepted: accepted.promise, pin: pinOfPem(identity.certificate) };
}

test('a self-signed certificate is one, and the same seed gives the same key', () => {
  const { key, certificate } = createSelfSigned(new SeededRandom(1), 'www.example.org');
  const parsed = new X509Certificate(certificate);
  assert.ok(parsed.verify(parsed.publicKey));
  assert.ok(parsed.checkIssued(parsed));
  assert.ok(parsed.checkPrivateKey(createPrivateKey(key)));
  assert.equal(parsed.subject, 'CN=www.example.org');
  assert.equal(parsed.checkHost('www.example.org'), 'www.example.org');
  assert.equal(parsed.ca, true);
  assert.match(parsed.validTo, / 203[3-6] GMT$/);
  assert.equal(createSelfSigned(new SeededRandom(1), 'www.example.org').key, key);
});

for (const [name, makeEnv] of NETWORKS) {
  test(`half-close and resets pass through TLS: ${name}`, async () => {
    const env = makeEnv();
    const { listener, accepted, pin } = await listen(env);
    const client = await dialSecure(env, listener.address, { sni: 'www.example.org', pin, alpn: ['http/1.1'] });
    client.end('first');
    const server = await accepted;
    assert.ok(server.remoteAddress?.startsWith('127.'));
    assert.equal(String(await readAll(server)), 'first');
    server.end('still open');
    assert.equal(String(await readAll(client)), 'still open');
    await listener.close();
  });

  test(`a reset is an error: ${name}`, async () => {
    const env = makeEnv();
    const { listener, accepted, pin } = await listen(env);
    const client = await dialSecure(env, listener.address, { pin, alpn: ['http/1.1'] });
    client.write('!');
    const server = await accepted;
    assert.equal(String(await readExactly(server, 1)), '!');
    const ending = endingOf(client);
    server.resetAndDestroy?.();
    assert.equal((await ending).kind, 'error');
    client.destroy();
    await listener.close();
  });

  test(`reads are lent from memory that is used again, and can be taken back: ${name}`, async () => {
    const env = makeEnv();
    const { listener, accepted, pin } = await listen(env);
    const client = await dialSecure(env, listener.address, { pin, alpn: ['http/1.1'] });
    client.write('early');
    const server = await accepted;
    const sent = Buffer.concat([Buffer.from('early'), new SeededRandom(7).bytes(500_000)]);
    const got: Buffer[] = [];
    const memories = new Set<ArrayBufferLike>();
    let gotBytes = 0;
    await new Promise<void>((resolve) => {
      server.borrowReads?.((bytes) => {
        if (gotBytes >= 5) memories.add(bytes.buffer);
        got.push(Buffer.from(bytes));
        gotBytes += bytes.length;
        if (gotBytes === sent.length) resolve();
        // Paused at every other read.
        const goesOn = got.length % 2 === 0;
        if (!goesOn) setImmediate(() => server.resume());
        return goesOn;
      });
      server.resume();
      client.write(sent.subarray(5));
    });
    assert.deepEqual(Buffer.concat(got), sent);
    assert.equal(memories.size, 1);
    server.borrowReads?.(null);
    client.end('the rest');
    assert.equal(String(await readAll(server)), 'the rest');
    server.end();
    client.resume();
    await listener.close();
  });

  test(`a certificate other than the pinned, or one that nobody vouches for: ${name}`, async () => {
    const env = makeEnv();
    const { listener } = await listen(env);
    for (const pin of ['A'.repeat(43), undefined]) {
      const dialling = dialSecure(env, listener.address, { sni: 'www.example.org', pin, alpn: ['http/1.1'] });
      await assert.rejects(dialling, (error) => error instanceof TunnelError && error.code === 'not-authentic');
    }
    await listener.close();
  });
}
