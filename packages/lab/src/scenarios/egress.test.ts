import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readExactly } from '@rozan/tunnel/testing';
import { type Origin, startOrigin } from '../testing/origin.ts';
import { startRelayNetwork } from '../testing/relay-network.ts';
import { connectBySocks, endOf, SOCKS_FORBIDDEN, SOCKS_SUCCEEDED, type SocksTarget } from '../testing/socks-client.ts';

const HELLO = Buffer.from('hello');

/** Every kind of address that DESIGN §7.1 lists. */
const ADDRESSES = [
  '127.0.0.1',
  '127.8.9.10',
  '0.0.0.0',
  '0.1.2.3',
  '10.1.2.3',
  '100.64.1.1',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '2001::1',
  '2002:7f00:1::',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'ff02::1',
];

/** Loopback in the notations that programs and system libraries have understood. */
const NOTATIONS = [
  '127.0.0.1.',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0X7F.0.0.1',
  '0x7f.1',
  '017700000001',
  '0177.0.0.1',
  '0177.0.0.01',
  '0',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '::ffff:7f00:1',
  '0:0:0:0:0:0:0:1',
];

/** Names that lead to loopback on every machine. */
const NAMES = ['localhost', 'LOCALHOST', 'localhost.'];

function forbiddenTargets(port: number): SocksTarget[] {
  return [
    ...ADDRESSES.map((host): SocksTarget => ({ host, port, as: 'address' })),
    ...[...ADDRESSES, ...NOTATIONS, ...NAMES].map((host): SocksTarget => ({ host, port, as: 'name' })),
  ];
}

/** An origin that greets, and by whose count one sees whether anybody got through. */
function startGreeter(host?: string): Promise<Origin> {
  return startOrigin((conn) => conn.end(HELLO), host);
}

async function askAll(
  proxy: string,
  targets: readonly SocksTarget[],
  check: (conn: AnswerOf, name: string) => unknown,
) {
  await Promise.all(
    targets.map(async (target) => {
      const answer = await connectBySocks(proxy, target);
      await check(answer, `${target.host} as ${target.as}`);
      answer.conn.destroy();
    }),
  );
}

type AnswerOf = Awaited<ReturnType<typeof connectBySocks>>;

test('the guard refuses every address that is not public, in every notation: reply 2 under --strict-replies', async () => {
  await using greeter = await startGreeter();
  await using network = await startRelayNetwork({ clientArgs: ['--strict-replies'] });
  const socks = network.client.text('socks');
  await askAll(socks, forbiddenTargets(greeter.port), ({ reply }, name) => assert.equal(reply, SOCKS_FORBIDDEN, name));
  assert.equal(greeter.accepted, 0);
  const codes = network.client.events.filter(({ event }) => event === 'stream.failed').map(({ code }) => code);
  assert.deepEqual([...new Set(codes)], ['forbidden']);
});

test('the guard refuses them with a reset where success was promised already', async () => {
  await using greeter = await startGreeter();
  await using network = await startRelayNetwork();
  const socks = network.client.text('socks');
  await askAll(socks, forbiddenTargets(greeter.port), async ({ reply, conn }, name) => {
    // Asked for again within seconds, a target is refused with the true reason.
    if (reply !== SOCKS_FORBIDDEN) assert.equal(await endOf(conn), 'ECONNRESET', name);
  });
  const promised = network.client.events.filter(({ answered }) => answered === true);
  assert.ok(promised.length > 0 && promised.every(({ code }) => code === 'forbidden'));
  assert.equal(greeter.accepted, 0);
});

test('--egress-allow ADDRESS:PORT opens that port of that address and nothing else', async () => {
  await using greeter = await startGreeter();
  await using otherPort = await startGreeter();
  await using otherAddress = await startGreeter('127.0.0.2');
  const { port } = greeter;
  await using network = await startRelayNetwork({
    egressAllow: [`127.0.0.1/32:${port}`],
    clientArgs: ['--strict-replies'],
  });
  const socks = network.client.text('socks');
  const open: SocksTarget[] = ['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', 'localhost'].map((host) => ({
    host,
    port,
    as: 'name',
  }));
  open.push({ host: '127.0.0.1', port, as: 'address' });
  await askAll(socks, open, async ({ reply, conn }, name) => {
    assert.equal(reply, SOCKS_SUCCEEDED, name);
    assert.deepEqual(await readExactly(conn, HELLO.length), HELLO, name);
  });
  assert.equal(greeter.accepted, open.length);
  const closed: SocksTarget[] = [
    { host: '127.0.0.1', port: otherPort.port, as: 'address' },
    { host: '127.0.0.2', port: otherAddress.port, as: 'address' },
    { host: '127.0.0.2', port, as: 'address' },
    { host: '::ffff:127.0.0.1', port, as: 'address' },
    { host: '::1', port, as: 'address' },
    { host: 'localhost', port: otherPort.port, as: 'name' },
  ];
  await askAll(socks, closed, ({ reply }, name) => assert.equal(reply, SOCKS_FORBIDDEN, name));
  assert.equal(otherPort.accepted + otherAddress.accepted, 0);
});

test('mail goes nowhere, not even where everything is allowed', async () => {
  await using network = await startRelayNetwork({
    egressAllow: ['0.0.0.0/0', '::/0'],
    clientArgs: ['--strict-replies'],
  });
  const targets: SocksTarget[] = ['127.0.0.1', '::1', '127.1'].map((host) => ({ host, port: 25, as: 'name' }));
  const check = ({ reply }: AnswerOf, name: string) => assert.equal(reply, SOCKS_FORBIDDEN, name);
  await askAll(network.client.text('socks'), targets, check);
});
