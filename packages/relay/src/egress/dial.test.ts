import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import { EGRESS_BOUNDS } from '../limits/constants.ts';
import { createEgress } from './dial.ts';
import { type GuardRules, parseAllowRule } from './guard.ts';
import type { Lookup } from './lookup.ts';
import { createResolver, type Resolver } from './resolver.ts';
import { FakeNetwork } from './testing/fake-network.ts';

const NO_RULES: GuardRules = { allow: [], ownAddresses: ['9.9.9.9'] };

interface SetUpOptions {
  readonly rules?: GuardRules;
  readonly resolver?: Resolver;
  readonly names?: { readonly [name: string]: readonly string[] };
}

function setUp({ rules = NO_RULES, resolver, names = {} }: SetUpOptions = {}) {
  const clock = new ManualClock();
  const network = new FakeNetwork(clock);
  const lookup: Lookup = async (host) => ({ addresses: names[host] ?? [], ttlMs: null });
  const egress = createEgress({ clock, network }, { rules, resolver: resolver ?? createResolver(clock, { lookup }) });
  const connect = (host: string, port = 443) => clock.runUntil(egress.connect({ host, port }), 20_000);
  return { clock, network, egress, connect };
}

/** One address of every form that DESIGN §7.1 names, and of the other special blocks. */
const FORBIDDEN = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1'],
  ...['192.0.0.8', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1'],
  ...['239.255.255.255', '240.0.0.1', '255.255.255.255', '9.9.9.9', '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1'],
  ...['::ffff:8.8.8.8', '::ffff:0:127.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', '2001::1', '2001:10::1'],
  ...['2001:db8::1', '2002:7f00:1::', '3fff::1', '5f00::1', 'fc00::1', 'fd12:3456::1', 'fe80::1', 'fec0::1', 'ff02::1'],
];

test('a public destination is dialled, by address and by name', async () => {
  const { network, connect } = setUp({ names: { 'a.example': ['1.1.1.1'] } });
  await connect('1.0.0.1');
  await connect('2606:4700::1111');
  await connect('a.example', 8443);
  assert.deepEqual(
    network.dials.map(({ host, port }) => [host, port]),
    [
      ['1.0.0.1', 443],
      ['2606:4700::1111', 443],
      ['1.1.1.1', 8443],
    ],
  );
});

test('every forbidden destination is refused by address', async () => {
  const { network, connect } = setUp();
  for (const host of FORBIDDEN) await assert.rejects(connect(host), { resetCode: 'forbidden' }, host);
  assert.equal(network.dials.length, 0);
});

test('every forbidden destination is refused by name', async () => {
  for (const address of FORBIDDEN) {
    const { network, connect } = setUp({ names: { 'rebind.example': [address] } });
    await assert.rejects(connect('rebind.example'), { resetCode: 'forbidden' }, address);
    assert.equal(network.dials.length, 0);
  }
});

test('loopback is refused in every notation, without asking a resolver', async () => {
  const resolver: Resolver = { resolve: () => assert.fail('asked') };
  const { network, connect } = setUp({ resolver });
  const notations = [
    ...['127.1', '127.0.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', '0177.0.0.01', '127.0.0.1.', '0'],
    ...['[::1]', '::1%lo', 'fe80::1%eth0', '[fe80::1%25eth0]', '0:0:0:0:0:0:0:1', '::ffff:7f00:1', '0::0'],
  ];
  for (const host of notations) await assert.rejects(connect(host), { resetCode: 'forbidden' }, host);
  assert.equal(network.dials.length, 0);
});

test("other notations that the machine's resolver would take end in the guard as well", async () => {
  const { network, connect } = setUp({ names: { localhost: ['127.0.0.1', '::1'], '127.0.0.1': ['127.0.0.1'] } });
  for (const host of ['localhost', 'LOCALHOST.', 'ⓛocalhost']) {
    await assert.rejects(connect(host), { resetCode: 'forbidden' }, host);
  }
  assert.equal(network.dials.length, 0);
});

test('of a name with public and private addresses only the public ones are dialled', async () => {
  const { network, connect } = setUp({ names: { 'mixed.example': ['10.0.0.1', '::1', '1.1.1.1', '127.0.0.1'] } });
  network.outcomes.set('1.1.1.1', { kind: 'fail', code: 'refused', afterMs: 1 });
  await assert.rejects(connect('mixed.example'), { resetCode: 'refused' });
  assert.deepEqual(
    network.dials.map((dial) => dial.host),
    ['1.1.1.1'],
  );
});

test('a resolver that changes its answer gains nothing: what is dialled is what was checked', async () => {
  const answers = [['1.1.1.1'], ['127.0.0.1'], ['1.1.1.1', '169.254.169.254']];
  const resolver: Resolver = { resolve: async () => answers.shift() ?? [] };
  const { network, connect } = setUp({ resolver });
  await connect('rebind.example');
  await assert.rejects(connect('rebind.example'), { resetCode: 'forbidden' });
  await connect('rebind.example');
  assert.deepEqual(
    network.dials.map((dial) => dial.host),
    ['1.1.1.1', '1.1.1.1'],
  );
});

test('the guard is asked again where an address is dialled, however long after the look-up', async () => {
  const rules = { allow: [], ownAddresses: [] as string[] };
  const { network, clock, egress } = setUp({ rules, resolver: { resolve: async () => ['1.1.1.1', '1.0.0.1'] } });
  network.outcomes.set('1.1.1.1', { kind: 'hang' });
  const connecting = egress.connect({ host: 'a.example', port: 443 });
  connecting.catch(() => undefined);
  await clock.advance(100);
  rules.ownAddresses.push('1.0.0.1');
  await assert.rejects(clock.runUntil(connecting, 20_000), { resetCode: 'timed-out' });
  assert.deepEqual(
    network.dials.map((dial) => dial.host),
    ['1.1.1.1'],
  );
});

test('port 25 is refused', async () => {
  const { network, connect } = setUp();
  await assert.rejects(connect('1.1.1.1', 25), { resetCode: 'forbidden' });
  await connect('1.1.1.1', 587);
  assert.equal(network.dials.length, 1);
});

test('a rule opens one address and port, by name too', async () => {
  const rule = parseAllowRule('127.0.0.1/32:8080');
  assert.ok(rule);
  const rules: GuardRules = { allow: [rule], ownAddresses: ['127.0.0.1'] };
  const { network, connect } = setUp({ rules, names: { localhost: ['::1', '127.0.0.1'] } });
  await connect('127.0.0.1', 8080);
  await connect('localhost', 8080);
  await assert.rejects(connect('127.0.0.1', 8081), { resetCode: 'forbidden' });
  assert.deepEqual(
    network.dials.map((dial) => dial.host),
    ['127.0.0.1', '127.0.0.1'],
  );
});

test('failures are mapped to reset codes', async () => {
  for (const [code, resetCode] of [
    ['refused', 'refused'],
    ['unreachable', 'unreachable'],
    ['timed-out', 'timed-out'],
    ['failed', 'unreachable'],
  ] as const) {
    const { network, connect } = setUp();
    network.outcomes.set('1.1.1.1', { kind: 'fail', code, afterMs: 5 });
    await assert.rejects(connect('1.1.1.1'), { code: 'egress', resetCode });
  }
  const { connect } = setUp();
  await assert.rejects(connect('nowhere.example'), { resetCode: 'name-not-found' });
  await assert.rejects(connect('256.1.1.1'), { resetCode: 'name-not-found' });
});

test('no destination holds a stream for longer than the time-out, look-up included', async () => {
  for (const resolver of [
    { resolve: async () => ['1.1.1.1'] },
    { resolve: () => new Promise<never>(() => undefined) },
  ]) {
    const { clock, network, egress } = setUp({ resolver });
    network.outcomes.set('1.1.1.1', { kind: 'hang' });
    const connecting = egress.connect({ host: 'a.example', port: 443 });
    await assert.rejects(clock.runUntil(connecting, EGRESS_BOUNDS.connectTimeoutMs), { resetCode: 'timed-out' });
    assert.ok(network.dials.every((dial) => dial.aborted));
    assert.equal(clock.pendingTimers, 0);
  }
});

test("the caller's abort is passed on and ends the dial", async () => {
  const { clock, network, egress } = setUp();
  network.outcomes.set('1.1.1.1', { kind: 'hang' });
  const caller = new AbortController();
  const connecting = egress.connect({ host: '1.1.1.1', port: 443 }, { signal: caller.signal });
  connecting.catch(() => undefined);
  await clock.settle();
  caller.abort(new Error('stream cancelled'));
  await assert.rejects(connecting, { message: 'stream cancelled' });
  assert.equal(network.dials[0]?.aborted, true);
  assert.equal(clock.pendingTimers, 0);
  await assert.rejects(egress.connect({ host: '1.1.1.1', port: 443 }, { signal: caller.signal }), {
    message: 'stream cancelled',
  });
});

test('only so many addresses of a name are tried', async () => {
  const addresses = Array.from({ length: 50 }, (_, index) => `1.1.1.${index}`);
  const { network, connect } = setUp({ names: { 'many.example': addresses } });
  for (const address of addresses) network.outcomes.set(address, { kind: 'fail', code: 'refused', afterMs: 1 });
  await assert.rejects(connect('many.example'), { resetCode: 'refused' });
  assert.equal(network.dials.length, EGRESS_BOUNDS.addressesPerName);
});

test('connects at one time are bounded', async () => {
  const { clock, egress, network } = setUp();
  network.outcomes.set('1.1.1.1', { kind: 'hang' });
  const all = Array.from({ length: EGRESS_BOUNDS.connects }, () => egress.connect({ host: '1.1.1.1', port: 443 }));
  const settled = Promise.allSettled(all);
  await assert.rejects(egress.connect({ host: '1.1.1.1', port: 443 }), { resetCode: 'busy' });
  await clock.runUntil(settled, 20_000);
  await clock.runUntil(egress.connect({ host: '1.0.0.1', port: 443 }), 1_000);
});

test('errors name no host', async () => {
  const { connect } = setUp({ names: { 'secret.example': ['10.1.2.3'] } });
  for (const host of ['secret.example', 'other-secret.example', '10.1.2.3']) {
    await assert.rejects(connect(host), (error: Error) => {
      assert.doesNotMatch(`${error.message}${error.stack}${String(error.cause)}`, /secret|10\.1\.2\.3/);
      return true;
    });
  }
});
