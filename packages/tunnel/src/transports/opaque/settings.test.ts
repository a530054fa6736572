import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { MAX_HESITATION_MS } from '../../site/limits.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { endingOf } from '../../testing/stream-helpers.ts';
import { opaque } from './opaque.ts';

const PREFIXES = ['http', 'ssh', 'tls'] as const;
const MAX_PARAMS_BYTES = 1024;
const isBadParams = { code: 'bad-params' };

test('settings and params survive JSON; clients are told nothing that only strangers meet', async () => {
  for (const prefix of PREFIXES) {
    const host = prefix === 'ssh' ? {} : { host: 'Files.Example.com' };
    const settings = await opaque.createSettings(new SeededRandom(3), { prefix, ...host });
    assert.deepEqual(opaque.parseSettings(JSON.parse(JSON.stringify(settings))), settings);
    const text = JSON.stringify(opaque.paramsOf(settings));
    assert.ok(text.length <= MAX_PARAMS_BYTES);
    assert.doesNotMatch(text, /PRIVATE|hostKey|site|identity/);
    assert.deepEqual(opaque.parseParams(JSON.parse(text)), opaque.paramsOf(settings));
  }
});

test('relays differ', async () => {
  for (const prefix of PREFIXES) {
    const drawn = new Set<string>();
    for (let seed = 0; seed < 20; seed += 1) {
      const settings = await opaque.createSettings(new SeededRandom(seed), { prefix });
      drawn.add(JSON.stringify({ ...opaque.paramsOf(settings), key: '' }));
    }
    assert.ok(drawn.size >= 8, `${prefix}: ${drawn.size} of 20`);
  }
});

test('options that are none, or not of the prefix, are refused', async () => {
  const random = new SeededRandom(1);
  for (const options of [
    { prefix: 'smtp' },
    { host: 'example.com' },
    { delay: '13' },
    { prefix: 'ssh', site: 'built-in' },
    { prefix: 'http', host: 'not a name' },
    { prefix: 'http', delay: '13' },
    { prefix: 'http', delay: '' },
    { prefix: 'tls', delay: 'soon' },
    { prefix: 'tls', site: 'ftp://127.0.0.1' },
  ]) {
    await assert.rejects(opaque.createSettings(random, options), isBadParams, JSON.stringify(options));
  }
});

test('params and settings with a member that is missing or wrong are refused', async () => {
  for (const prefix of PREFIXES) {
    const made = await opaque.createSettings(new SeededRandom(5), { prefix });
    const settings: object = { ...made };
    const params: object = { ...opaque.paramsOf(made) };
    for (const name of Object.keys(params)) {
      for (const value of [-1, 'x y', [], {}, ...(name === 'host' || name === 'prefix' ? [] : [undefined, null])]) {
        assert.throws(() => opaque.parseParams({ ...params, [name]: value }), isBadParams, `${prefix}: ${name}`);
      }
    }
    for (const name of Object.keys(settings).filter((member) => !(member in params))) {
      assert.throws(() => opaque.parseSettings({ ...settings, [name]: 'x' }), isBadParams, `${prefix}: ${name}`);
    }
  }
});

test('any params are taken or refused', () => {
  const value = fc.dictionary(
    fc.constantFrom('prefix', 'key', 'delayMs', 'host', 'agent', 'path', 'alpn'),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(fc.oneof(value, fc.jsonValue()), (input) => {
      try {
        opaque.parseParams(input);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'bad-params');
      }
    }),
  );
});

for (const prefix of PREFIXES) {
  test(`${prefix}: what is declined gets the imitated server, and nothing is left open`, async () => {
    const clock = new ManualClock();
    const network = new MemoryNetwork({ clock });
    const env: Env = { network, clock, random: new SeededRandom(6), log: () => {} };
    const settings = await opaque.createSettings(env.random, { prefix, delay: '0' });
    const seen: Buffer[] = [];
    const listener = await opaque.listen(env, {
      address: { host: '127.0.0.1', port: 0 },
      settings,
      onConn: (conn: Conn) => {
        conn.once('data', (bytes: Buffer) => {
          seen.push(bytes);
          conn.pause();
          conn.decline?.();
        });
      },
    });
    const params = opaque.parseParams(opaque.paramsOf(settings));
    const conn = await opaque.dial(env, { address: listener.address, params });
    const [connection] = network.connections;
    const before = connection?.bytesToClient ?? 0;
    conn.write('not a flight of ours');
    const ending = endingOf(conn);
    // A site takes a moment to answer.
    await clock.advance(MAX_HESITATION_MS);
    // sshd ignores an IGNORE message, and says nothing until its patience with the log-in is over.
    if (prefix === 'ssh') await clock.advance(120_000);
    await ending;
    const answered = (connection?.bytesToClient ?? 0) - before;
    assert.deepEqual(seen.map(String), ['not a flight of ours']);
    if (prefix === 'http') assert.ok(answered > 100, `${answered} bytes of the site`);
    else assert.equal(answered, prefix === 'tls' ? 24 : 0);
    conn.destroy();
    await listener.close();
  });
}
