import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  type Conn,
  createEnv,
  type SocketAddress,
  type StreamOpener,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';
import { ManualClock } from '@rozan/tunnel/testing';
import { BypassOpener } from './bypass-opener.ts';
import type { BypassRules } from './bypass-rules.ts';
import { BypassSwitch } from './bypass-switch.ts';
import { openGeoIp } from './geo-ip.ts';

const HOME = '5.160.0.1';
const ABROAD = '8.8.8.8';
const RULES: BypassRules = {
  country: 'IR',
  names: new Set(['ir']),
  countryOf: (address) => (address === HOME ? 'IR' : 'US'),
};

/** An opener whose tunnel, resolver and network write down what they are asked for. */
async function createWorld(
  options: { readonly resolve?: (name: string) => string; readonly dialFails?: boolean } = {},
) {
  const bare = createEnv({ log: () => {} });
  const conns: Conn[] = [];
  const site = await bare.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conns.push(conn);
    conn.on('error', () => {});
    conn.end('hello');
  });
  const asked = { tunnel: [] as string[], resolver: [] as string[], network: [] as string[] };
  const tunnel: Pick<StreamOpener, 'open'> = {
    open: async ({ host }) => {
      asked.tunnel.push(host);
      return {} as TunnelStream;
    },
  };
  const dial = async ({ host }: SocketAddress) => {
    asked.network.push(host);
    if (options.dialFails === true) throw new TunnelError('refused', 'refused');
    const conn = await bare.network.dial(site.address);
    conns.push(conn);
    return conn;
  };
  const clock = new ManualClock();
  let rules: BypassRules | null = RULES;
  const opener = new BypassOpener(
    { ...bare, clock, network: { ...bare.network, dial } },
    {
      tunnel: tunnel as StreamOpener,
      rules: () => rules,
      resolve: async (name) => {
        asked.resolver.push(name);
        return options.resolve?.(name) ?? HOME;
      },
    },
  );
  return {
    opener,
    asked,
    turnOff: () => {
      rules = null;
    },
    [Symbol.asyncDispose]: async () => {
      for (const conn of conns) conn.destroy();
      await site.close();
    },
  };
}

test('a foreign name is asked of the tunnel, and of nobody on this side', async () => {
  await using world = await createWorld();
  await world.opener.open({ host: 'news.example.com', port: 443 });
  await world.opener.open({ host: ABROAD, port: 443 });
  assert.deepEqual(world.asked, { tunnel: ['news.example.com', ABROAD], resolver: [], network: [] });
});

test('a domestic place is reached directly, and counted while it is', async () => {
  await using world = await createWorld();
  const stream = await world.opener.open({ host: 'bank.ir', port: 443 });
  await stream.opened;
  assert.equal(world.opener.direct, 1);
  stream.end();
  assert.equal(await text(stream), 'hello');
  assert.deepEqual(world.asked, { tunnel: [], resolver: ['bank.ir'], network: [HOME] });
  const second = await world.opener.open({ host: HOME, port: 443 });
  const closed = new Promise((resolve) => second.once('close', resolve));
  second.reset('cancelled');
  await closed;
  assert.equal(world.opener.direct, 0);
});

test('a domestic name that leads abroad, or nowhere, and a place that cannot be reached, go through the tunnel', async () => {
  await using abroad = await createWorld({ resolve: () => ABROAD });
  await abroad.opener.open({ host: 'cdn.ir', port: 443 });
  assert.deepEqual(abroad.asked, { tunnel: ['cdn.ir'], resolver: ['cdn.ir'], network: [] });
  await using nowhere = await createWorld({
    resolve: () => {
      throw new TunnelError('name-forged', 'forged');
    },
  });
  await nowhere.opener.open({ host: 'blocked.ir', port: 443 });
  assert.deepEqual(nowhere.asked.tunnel, ['blocked.ir']);
  await using refused = await createWorld({ dialFails: true });
  await refused.opener.open({ host: 'down.ir', port: 443 });
  assert.deepEqual(refused.asked, { tunnel: ['down.ir'], resolver: ['down.ir'], network: [HOME] });
});

test('turned off, everything goes through the tunnel at once', async () => {
  await using world = await createWorld();
  world.turnOff();
  await world.opener.open({ host: 'bank.ir', port: 443 });
  assert.deepEqual(world.asked, { tunnel: ['bank.ir'], resolver: [], network: [] });
});

test('what is turned off ends direct connections, and those that are being made', async () => {
  await using world = await createWorld();
  const stream = await world.opener.open({ host: 'bank.ir', port: 443 });
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.on('error', () => {});
  world.turnOff();
  world.opener.endDirect();
  await closed;
  assert.equal(world.opener.direct, 0);
  await using late = await createWorld({
    resolve: () => {
      late.turnOff();
      return HOME;
    },
  });
  await late.opener.open({ host: 'bank.ir', port: 443 });
  assert.deepEqual([late.asked.tunnel, late.opener.direct], [['bank.ir'], 0]);
});

test('where a proxy stands before the internet it resolves the names', async () => {
  await using world = await createWorld({ resolve: (name) => name });
  await world.opener.open({ host: 'bank.ir', port: 443 });
  assert.deepEqual(world.asked.network, ['bank.ir']);
});

test('an application that has gone opens nothing', async () => {
  await using world = await createWorld({
    resolve: () => {
      gone.abort();
      throw new Error('aborted');
    },
  });
  const gone = new AbortController();
  await assert.rejects(world.opener.open({ host: 'bank.ir', port: 443 }, { signal: gone.signal }), {
    resetCode: 'cancelled',
  });
  assert.deepEqual(world.asked.tunnel, []);
});

test('the database knows countries of both kinds of addresses, and none of private ones', async () => {
  const countryOf = await openGeoIp();
  assert.equal(countryOf('5.160.0.1'), 'IR');
  assert.equal(countryOf('8.8.8.8'), 'US');
  assert.equal(countryOf('2001:4860:4860::8888'), 'US');
  for (const address of ['10.0.0.1', '127.0.0.1', '::1', '192.168.1.1'])
    assert.equal(countryOf(address), null, address);
});

test('the database is opened when it is needed, once, and not without a country', async () => {
  let opened = 0;
  const bypass = new BypassSwitch(['example.com'], async () => {
    opened += 1;
    return () => 'IR';
  });
  await bypass.set({ isOn: true, country: null });
  await bypass.set({ isOn: false, country: 'IR' });
  assert.deepEqual([opened, bypass.rules], [0, null]);
  await bypass.set({ isOn: true, country: 'IR' });
  await bypass.set({ isOn: true, country: 'RU' });
  assert.equal(opened, 1);
  assert.ok(bypass.rules?.names.has('ru') && bypass.rules.names.has('example.com') && !bypass.rules.names.has('ir'));
});

test('what is turned off, or moved, while the database is being opened stays so', async () => {
  const opened = Promise.withResolvers<void>();
  const bypass = new BypassSwitch([], async () => {
    await opened.promise;
    return () => 'IR';
  });
  const changes = [bypass.set({ isOn: true, country: 'IR' }), bypass.set({ isOn: false, country: 'IR' })];
  opened.resolve();
  await Promise.all(changes);
  assert.equal(bypass.rules, null);
  await bypass.set({ isOn: true, country: 'IR' });
  const { rules } = bypass;
  await bypass.set({ isOn: true, country: 'IR' });
  assert.equal(bypass.rules, rules, 'a change of something else leaves the rules as they are');
});
