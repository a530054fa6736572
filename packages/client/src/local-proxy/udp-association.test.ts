import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn, DatagramSocket, SocketAddress } from '@rozan/tunnel';
import { MAX_ASSOCIATIONS } from './limits.ts';
import type { FakeFlow } from './testing/fake-opener.ts';
import { createProxyWorld, endOf, type ProxyWorld, readFrom } from './testing/proxy-world.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const ASSOCIATE = Buffer.from('05010005030001000000000000', 'hex');
const HEADER = Buffer.from('00000001c00002010035', 'hex');
const REMOTE = { host: '192.0.2.1', port: 53 };

async function associate(world: ProxyWorld): Promise<{ conn: Conn; reply: number | undefined; at: SocketAddress }> {
  const conn = await world.connect('socks');
  conn.write(ASSOCIATE);
  const answer = await readFrom(conn, 12);
  assert.equal(answer[5], 1);
  return { conn, reply: answer[3], at: { host: answer.subarray(6, 10).join('.'), port: answer.readUInt16BE(10) } };
}

/** An application's UDP socket, with what came to it. */
async function openApplication(world: ProxyWorld): Promise<DatagramSocket & { next(): Promise<Buffer> }> {
  const came: Buffer[] = [];
  const waiting: ((bytes: Buffer) => void)[] = [];
  const socket = await world.env.network.bindDatagrams(LOOPBACK, (bytes) => {
    const wake = waiting.shift();
    if (wake === undefined) came.push(bytes);
    else wake(bytes);
  });
  return { ...socket, next: async () => came.shift() ?? new Promise((resolve) => waiting.push(resolve)) };
}

/** Resolves when the flow has been given that many datagrams. */
function sent(flow: FakeFlow | undefined, count: number): Promise<void> {
  assert.ok(flow);
  return new Promise((resolve) => {
    const check = () => {
      if (flow.sent.length >= count) resolve();
    };
    flow.onSend = check;
    check();
  });
}

test('UDP ASSOCIATE: datagrams both ways, with the true remote address', async () => {
  await using world = await createProxyWorld();
  const { conn, reply, at } = await associate(world);
  assert.equal(reply, 0);
  assert.equal(at.host, '127.0.0.1');
  const application = await openApplication(world);
  const name = Buffer.from('0000000305', 'hex');
  application.send(Buffer.concat([HEADER, Buffer.from('one')]), at);
  application.send(Buffer.concat([HEADER, Buffer.from('two')]), at);
  application.send(Buffer.concat([name, Buffer.from('A.tld\x01\xbbthree', 'latin1')]), at);
  const [flow] = world.opener.flows;
  await sent(flow, 3);
  assert.deepEqual(
    flow?.sent.map(({ target, bytes }) => [target.host, target.port, bytes.toString()]),
    [
      ['192.0.2.1', 53, 'one'],
      ['192.0.2.1', 53, 'two'],
      ['a.tld', 443, 'three'],
    ],
  );
  flow?.receive(REMOTE, Buffer.from('answer'));
  assert.deepEqual(await application.next(), Buffer.concat([HEADER, Buffer.from('answer')]));
  flow?.receive({ host: '2001:db8::1', port: 443 }, Buffer.alloc(0));
  assert.equal((await application.next()).toString('hex'), '0000000420010db800000000000000000000000101bb');
  assert.equal(world.proxies.counts().associations, 1);
  application.close();
  conn.destroy();
});

test('UDP ASSOCIATE: ends with its connection, however that ends', async () => {
  await using world = await createProxyWorld();
  for (const end of ['end', 'resetAndDestroy'] as const) {
    const { conn } = await associate(world);
    conn[end]?.();
    await endOf(conn);
    const flow = world.opener.flows.at(-1);
    while (flow?.isClosed === false) await new Promise(setImmediate);
    assert.equal(world.proxies.counts().associations, 0);
  }
});

test('UDP ASSOCIATE: fragments, what cannot be read, the proxies themselves and other programs are dropped', async () => {
  await using world = await createProxyWorld();
  const { conn, at } = await associate(world);
  const application = await openApplication(world);
  const stranger = await openApplication(world);
  const [flow] = world.opener.flows;
  const own = Buffer.from('000000017f0000010000', 'hex');
  own.writeUInt16BE(world.port('http'), 8);
  application.send(Buffer.from('00000101c00002010035', 'hex'), at);
  application.send(Buffer.from('not a header'), at);
  application.send(own, at);
  flow?.receive(REMOTE, Buffer.from('for nobody yet'));
  application.send(Buffer.concat([HEADER, Buffer.from('first')]), at);
  await sent(flow, 1);
  stranger.send(Buffer.concat([HEADER, Buffer.from('stranger')]), at);
  application.send(Buffer.concat([HEADER, Buffer.from('second')]), at);
  await sent(flow, 2);
  assert.deepEqual(
    flow?.sent.map(({ bytes }) => bytes.toString()),
    ['first', 'second'],
  );
  flow?.receive(REMOTE, Buffer.from('answer'));
  assert.equal((await application.next()).subarray(HEADER.length).toString(), 'answer');
  application.close();
  stranger.close();
  conn.destroy();
});

test('UDP ASSOCIATE: beyond the cap it is refused', async () => {
  await using world = await createProxyWorld();
  const conns: Conn[] = [];
  for (let count = 0; count < MAX_ASSOCIATIONS; count += 1) conns.push((await associate(world)).conn);
  const conn = await world.connect('socks');
  conn.write(ASSOCIATE);
  assert.equal((await readFrom(conn, 12))[3], 1);
  assert.deepEqual(await world.event('proxy.refused'), {
    event: 'proxy.refused',
    proxy: 'socks',
    reason: 'too-many-associations',
  });
  for (const each of conns) each.destroy();
});
