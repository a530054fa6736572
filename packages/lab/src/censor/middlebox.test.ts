import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createMiddlebox, type Middlebox, type MiddleboxOptions } from './middlebox.ts';
import { findPolicy } from './policies.ts';
import type { Policy } from './policy-file.ts';
import { parsePolicyFile } from './policy-file.ts';

const HELLO = Buffer.from('1603010200010001fc0303', 'hex');
const SERVER = { host: '203.0.113.5', port: 443 };

interface World extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly box: Middlebox;
  connect(): Promise<{ conn: Conn; got: () => Buffer; failed: () => boolean }>;
}

async function startWorld(policy: Policy, options: MiddleboxOptions = {}): Promise<World> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env = { network, clock, random: new SeededRandom(1), log: () => {} };
  const echo = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.on('error', () => {});
    conn.pipe(conn);
  });
  const box = createMiddlebox(policy, env, options);
  const address = await box.routeFor('198.51.100.1')({ actual: echo.address, seenAs: SERVER });
  return {
    clock,
    box,
    connect: async () => {
      const conn = await network.dial(address);
      const chunks: Buffer[] = [];
      let hasFailed = false;
      conn.on('data', (bytes: Buffer) => chunks.push(bytes));
      conn.on('error', () => {
        hasFailed = true;
      });
      return { conn, got: () => Buffer.concat(chunks), failed: () => hasFailed };
    },
    [Symbol.asyncDispose]: () => box[Symbol.asyncDispose](),
  };
}

/** A policy of one rule on TLS. */
function policyOf(then: string, more = ''): Policy {
  const text = `
id: T1
name: test
country: XX
dates: never
source: [{ ref: none, certainty: I }]
rules: [{ name: rule, when: { protocol: tls }, do: ${then}${more} }]
hits: [{ traffic: tls }]
`;
  const [policy] = parsePolicyFile(text, 'test');
  assert.ok(policy);
  return policy;
}

test('C01 lets TLS live for 60 s and then resets it at both ends, and lets HTTP live', async () => {
  await using world = await startWorld(findPolicy('C01-tls-reset'));
  const [tls, web] = [await world.connect(), await world.connect()];
  tls.conn.write(HELLO);
  web.conn.write('GET / HTTP/1.1\r\n\r\n');
  await world.clock.advance(59_900);
  assert.deepEqual(tls.got(), HELLO);
  assert.equal(tls.conn.destroyed, false);
  await world.clock.advance(200);
  assert.equal(tls.failed(), true);
  assert.equal(web.conn.destroyed, false);
  assert.deepEqual(world.box.counts(), { connections: 2, acted: 1 });
});

test('C01 in silence: the connection stays open and nothing passes', async () => {
  await using world = await startWorld(findPolicy('C01-tls-drop'));
  const { conn, got } = await world.connect();
  conn.write(HELLO);
  await world.clock.advance(60_100);
  conn.write('more');
  await world.clock.advance(60_000);
  assert.equal(conn.destroyed, false);
  assert.deepEqual(got(), HELLO);
});

test('a rate holds bytes back, and loses none', async () => {
  await using world = await startWorld(policyOf('{ police: { bytesPerSecond: 10000, burstBytes: 3000 } }'));
  const { conn, got } = await world.connect();
  const sent = Buffer.concat([HELLO, Buffer.alloc(60_000, 7)]);
  conn.write(sent);
  await world.clock.advance(2000);
  const soon = got().length;
  assert.ok(soon > 15_000 && soon < 24_000, `${soon} bytes in 2 s at 10 kB/s`);
  await world.clock.advance(10_000);
  assert.ok(got().equals(sent));
});

test('a delay keeps order, and the end comes behind what was delayed', async () => {
  await using world = await startWorld(policyOf('{ delay: { ms: 500, direction: up } }'));
  const { conn, got } = await world.connect();
  let hasEnded = false;
  conn.on('end', () => {
    hasEnded = true;
  });
  conn.write(HELLO);
  conn.end('last');
  await world.clock.advance(400);
  assert.equal(hasEnded, false);
  await world.clock.advance(200);
  assert.equal(got().toString('latin1'), `${HELLO.toString('latin1')}last`);
  assert.equal(hasEnded, true);
});

test('a tuple that is remembered meets silence until its time is over', async () => {
  await using world = await startWorld(policyOf('{ reset: both, block: { per: 3-tuple, seconds: 180 } }'));
  const first = await world.connect();
  first.conn.write(HELLO);
  await world.clock.advance(10);
  assert.equal(first.failed(), true);
  const second = await world.connect();
  second.conn.write('anything');
  await world.clock.advance(170_000);
  assert.equal(second.got().length, 0);
  assert.equal(second.conn.destroyed, false);
  await world.clock.advance(11_000);
  const third = await world.connect();
  third.conn.write('anything');
  await world.clock.advance(10);
  assert.equal(third.got().toString(), 'anything');
});

test('other policies hold for what is open', async () => {
  await using world = await startWorld(policyOf('{ tally: { name: seen, per: server } }'));
  const { conn, got, failed } = await world.connect();
  conn.write(HELLO);
  await world.clock.advance(10);
  assert.deepEqual(got(), HELLO);
  world.box.setPolicies([policyOf('{ reset: both }')]);
  await world.clock.advance(10);
  assert.equal(failed(), true);
});
