import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketAddress } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createMiddlebox } from './middlebox.ts';
import { openings } from './openings.ts';
import { findPolicy } from './policies.ts';
import type { Policy } from './policy-file.ts';

/** Sends datagrams past a policy to a server that echoes them; gives what comes back. */
async function sendPast(policy: Policy, seenAs: SocketAddress, datagrams: readonly Buffer[]): Promise<Buffer[]> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env = { network, clock, random: new SeededRandom(1), log: () => {} };
  const echo = await network.bindDatagrams(
    { host: '127.0.0.1', port: 0 },
    (bytes, from) => void echo.send(bytes, from),
  );
  const box = createMiddlebox(policy, env);
  const place = await box.datagramRouteFor('198.51.100.1')({ actual: echo.address, seenAs });
  const got: Buffer[] = [];
  const socket = await network.bindDatagrams({ host: '127.0.0.1', port: 0 }, (bytes) => got.push(bytes));
  for (const datagram of datagrams) {
    socket.send(datagram, place);
    await clock.advance(20);
  }
  await clock.advance(1000);
  await box[Symbol.asyncDispose]();
  socket.close();
  echo.close();
  assert.equal(network.datagramSocketCount, 0);
  return got;
}

function firstOf(name: string, host = 'www.example.com'): Buffer {
  const [first] = openings.get(name)?.(new SeededRandom(3), host).packets ?? [];
  assert.ok(first);
  return first[1];
}

test('C08 drops all UDP but that to port 53', async () => {
  const hello = firstOf('wireguard');
  assert.deepEqual(await sendPast(findPolicy('C08'), { host: '203.0.113.7', port: 51_820 }, [hello, hello]), []);
  const query = firstOf('dns');
  assert.deepEqual(await sendPast(findPolicy('C08'), { host: '203.0.113.7', port: 53 }, [query]), [query]);
});

test('C11 answers a query in its place: alone in Iran, before the true answer in China', async () => {
  const resolver = { host: '203.0.113.7', port: 53 };
  const query = firstOf('dns', 'blocked.example');
  const [forged, ...rest] = await sendPast(findPolicy('C11-in-path'), resolver, [query]);
  assert.ok(forged);
  assert.deepEqual(rest, []);
  assert.equal(forged.readUInt16BE(0), query.readUInt16BE(0));
  assert.deepEqual([...forged.subarray(-4)], [10, 10, 34, 36]);
  const both = await sendPast(findPolicy('C11-on-path'), resolver, [query]);
  assert.equal(both.length, 2);
  assert.notDeepEqual(both[0], query);
  assert.deepEqual(both[1], query);
  const other = firstOf('dns', 'www.example.com');
  assert.deepEqual(
    await sendPast(findPolicy('C11-in-path'), resolver, [other, query, other]).then((all) => all.length),
    3,
  );
});

test('C10 loses its share of datagrams', async () => {
  const datagrams = Array.from({ length: 400 }, () => Buffer.alloc(100));
  const got = await sendPast(findPolicy('C10-15'), { host: '203.0.113.7', port: 4000 }, datagrams);
  assert.ok(got.length > 310 && got.length < 370, `${got.length} of 400`);
});
