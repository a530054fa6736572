import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createEnv, type Listener } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { createEgress } from './dial.ts';
import { parseAllowRule } from './guard.ts';
import { readOwnAddresses } from './own-addresses.ts';
import { createResolver } from './resolver.ts';

const env = createEnv({ log: () => undefined });

/** A site on loopback, and how many connections it has seen. */
async function startSite(context: TestContext) {
  const seen = { count: 0 };
  const listener: Listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    seen.count += 1;
    conn.end('hello');
  });
  context.after(() => listener.close());
  return { port: listener.address.port, seen };
}

function createRealEgress(allow: readonly string[] = []) {
  const rules = allow.map((text) => {
    const rule = parseAllowRule(text);
    assert.ok(rule);
    return rule;
  });
  const resolver = createResolver(env.clock);
  return createEgress(env, { resolver, rules: { allow: rules, ownAddresses: readOwnAddresses() } });
}

test("on the real network and with the machine's resolver nothing of this machine is reached", async (context) => {
  const { port, seen } = await startSite(context);
  const egress = createRealEgress();
  for (const host of [
    '127.0.0.1',
    'localhost',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0',
    '0.0.0.0',
    '::ffff:127.0.0.1',
    '::',
    ...readOwnAddresses(),
  ]) {
    await assert.rejects(egress.connect({ host, port }), { resetCode: 'forbidden' }, host);
  }
  assert.equal(seen.count, 0);
});

test('with a rule for it the very same is reached, by address and by name', async (context) => {
  const { port, seen } = await startSite(context);
  const egress = createRealEgress([`127.0.0.1/32:${port}`]);
  for (const host of ['127.0.0.1', 'localhost', '127.1']) {
    const conn = await egress.connect({ host, port });
    assert.equal((await readExactly(conn, 5)).toString(), 'hello', host);
    conn.destroy();
  }
  assert.equal(seen.count, 3);
  await assert.rejects(egress.connect({ host: '127.0.0.2', port }), { resetCode: 'forbidden' });
});

test('a port where nobody listens is refused as such', async (context) => {
  const { port } = await startSite(context);
  const gone = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.destroy());
  await gone.close();
  assert.notEqual(gone.address.port, port);
  const egress = createRealEgress(['127.0.0.0/8']);
  await assert.rejects(egress.connect({ host: '127.0.0.1', port: gone.address.port }), { resetCode: 'refused' });
});
