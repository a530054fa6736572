import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTarget, encodeTarget } from '@rozan/protocol';
import type { OnDatagram } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createEgress } from '../egress/dial.ts';
import { parseAllowRule } from '../egress/guard.ts';
import { createResolver } from '../egress/resolver.ts';
import { DATAGRAM_BOUNDS } from '../limits/constants.ts';
import { type SourceBounds, SourceLimits } from '../limits/source-limits.ts';
import { DatagramNat } from './nat.ts';
import { SessionFlows } from './session-flows.ts';
import type { DropReason } from './tally.ts';

const SITE = { host: '8.8.4.4', port: 443 };
const NAME_SERVER = { host: '8.8.8.8', port: 53 };
const NAMES: { readonly [name: string]: readonly string[] } = {
  'site.example': ['2a00:1450::1', SITE.host],
  'inside.example': ['10.0.0.1', '::1'],
};

/** Flows over a network in memory, and what became of their datagrams. */
async function setUp(options: { bounds?: Partial<SourceBounds>; allow?: string } = {}) {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs: 1 });
  const looked: string[] = [];
  const lookup = async (name: string) => {
    looked.push(name);
    return { addresses: NAMES[name] ?? [], ttlMs: 60_000 };
  };
  const dropped = new Map<DropReason, number>();
  const moved = { up: 0, down: 0 };
  const rule = options.allow === undefined ? null : parseAllowRule(options.allow);
  const nat = new DatagramNat(
    { clock, network },
    {
      egress: createEgress(
        { clock, network },
        {
          resolver: createResolver(clock, { lookup }),
          rules: { allow: rule === null ? [] : [rule], ownAddresses: ['9.9.9.9'] },
        },
      ),
      counters: {
        flowOpened: () => {},
        flowClosed: () => {},
        datagramsMoved: (direction, { datagrams }) => {
          moved[direction] += datagrams;
        },
        datagramsDropped: (reason, count) => dropped.set(reason, (dropped.get(reason) ?? 0) + count),
      },
    },
  );
  const limits = new SourceLimits(clock, new SeededRandom(1), options.bounds);
  const permit = limits.openSession(limits.sourceOf('192.0.2.1'), 'default');
  assert.ok(permit);
  const received: string[] = [];
  const flows = new SessionFlows(nat, {
    permit,
    send: (flowId, from, bytes) => {
      const { host, port } = decodeTarget(from);
      received.push(`${flowId} ${host} ${port} ${bytes}`);
    },
  });
  const send = (flowId: number, target: { host: string; port: number }, text: string) =>
    flows.onDatagram(flowId, encodeTarget(target), Buffer.from(text));
  /** A place that hears datagrams, and answers each with `answer`. */
  const listen = async (at: { host: string; port: number }, answer: string | null = 'yes') => {
    const heard: { text: string; from: { host: string; port: number } }[] = [];
    const onDatagram: OnDatagram = (bytes, from) => {
      heard.push({ text: bytes.toString(), from });
      if (answer !== null) socket.send(Buffer.from(answer), from);
    };
    const socket = await network.bindDatagrams(at, onDatagram);
    return { heard, socket };
  };
  const counted = async () => {
    await clock.advance(2 * DATAGRAM_BOUNDS.sweepMs);
    nat.tally.flush();
    return Object.fromEntries(dropped);
  };
  return { clock, network, nat, flows, received, looked, moved, send, listen, counted };
}

test('datagrams go out and answers come back, with the address that they came from', async () => {
  const world = await setUp();
  const site = await world.listen(SITE);
  world.send(1, SITE, 'by address');
  world.send(1, { host: 'site.example', port: 443 }, 'by name');
  world.send(1, { host: 'site.example', port: 443 }, 'again');
  await world.clock.advance(10);
  assert.deepEqual(site.heard.map(({ text }) => text).sort(), ['again', 'by address', 'by name']);
  assert.equal(new Set(site.heard.map(({ from }) => from.port)).size, 1);
  assert.deepEqual(world.received, Array(3).fill('1 8.8.4.4 443 yes'));
  assert.deepEqual(world.looked, ['site.example']);
  assert.deepEqual(await world.counted(), {});
  assert.deepEqual(world.moved, { up: 3, down: 3 });
});

test('each flow has a port of its own, and IPv6 another', async () => {
  const world = await setUp();
  const site = await world.listen(SITE);
  const other = await world.listen({ host: '2a00:1450::5', port: 443 });
  for (const flowId of [1, 2]) world.send(flowId, SITE, 'x');
  world.send(2, { host: '2a00:1450::5', port: 443 }, 'x');
  await world.clock.advance(10);
  assert.equal(new Set(site.heard.map(({ from }) => from.port)).size, 2);
  assert.equal(other.heard.length, 1);
  assert.equal(world.nat.socketCount, 3);
  world.flows.closeAll();
  await world.clock.advance(10);
  assert.equal(world.nat.socketCount + world.nat.flowCount, 0);
});

test('the guard refuses private addresses, by name too, the relay itself, and mail; an exception opens one', async () => {
  const world = await setUp({ allow: '10.0.0.2/32:7' });
  const inside = await world.listen({ host: '10.0.0.1', port: 7 });
  const open = await world.listen({ host: '10.0.0.2', port: 7 });
  for (const host of ['10.0.0.1', '127.0.0.1', '::1', '9.9.9.9', 'inside.example', '127.1']) {
    world.send(1, { host, port: 7 }, 'no');
  }
  world.send(1, { host: '8.8.8.8', port: 25 }, 'no');
  world.send(1, { host: '10.0.0.2', port: 7 }, 'yes');
  await world.clock.advance(10);
  assert.deepEqual([inside.heard.length, open.heard.length], [0, 1]);
  assert.deepEqual(await world.counted(), { forbidden: 7 });
  world.send(1, { host: '10.0.0.1', port: 7 }, 'still no');
  assert.deepEqual(await world.counted(), { forbidden: 8 });
});

test('answers are taken from addresses and ports to which the flow has sent, and from no others', async () => {
  const world = await setUp();
  const site = await world.listen(SITE, null);
  world.send(1, SITE, 'hello');
  await world.clock.advance(10);
  const [first] = site.heard;
  assert.ok(first);
  for (const stranger of [
    { ...SITE, port: 444 },
    { ...SITE, host: '8.8.4.5' },
  ]) {
    const { socket } = await world.listen(stranger);
    socket.send(Buffer.from('unasked'), first.from);
  }
  site.socket.send(Buffer.from('asked'), first.from);
  await world.clock.advance(10);
  assert.deepEqual(world.received, ['1 8.8.4.4 443 asked']);
  assert.deepEqual(await world.counted(), { unasked: 2 });
});

test('an idle flow is closed, sooner if it has only asked name servers, and opens again', async () => {
  const world = await setUp();
  await world.listen(SITE);
  const server = await world.listen(NAME_SERVER);
  world.send(1, NAME_SERVER, 'a question');
  world.send(2, SITE, 'hello');
  await world.clock.advance(DATAGRAM_BOUNDS.dnsIdleMs - 1000);
  assert.equal(world.nat.flowCount, 2);
  await world.clock.advance(2500);
  assert.equal(world.nat.flowCount, 1);
  await world.clock.advance(DATAGRAM_BOUNDS.idleMs - DATAGRAM_BOUNDS.dnsIdleMs);
  assert.deepEqual([world.nat.flowCount, world.nat.socketCount], [0, 0]);
  world.send(1, NAME_SERVER, 'another');
  await world.clock.advance(10);
  assert.equal(new Set(server.heard.map(({ from }) => from.port)).size, 2);
});

test('a flow that was closed stays so when a datagram comes late', async () => {
  const world = await setUp();
  const site = await world.listen(SITE);
  world.send(1, SITE, 'in time');
  world.flows.onFlowClosed(1);
  world.send(1, SITE, 'late');
  world.flows.onFlowClosed(2);
  world.send(2, SITE, 'overtaken by its end');
  await world.clock.advance(10);
  assert.deepEqual([site.heard.length, world.nat.flowCount, world.nat.socketCount], [0, 0, 0]);
});

test('flows are capped per session, per channel and per source', async () => {
  for (const bounds of [{ flowsPerSession: 2 }, { flowsPerChannel: 2 }, { flowsPerPrefix: 2 }]) {
    const world = await setUp({ bounds });
    const site = await world.listen(SITE);
    for (const flowId of [1, 2, 3]) world.send(flowId, SITE, `${flowId}`);
    await world.clock.advance(10);
    assert.deepEqual(
      site.heard.map(({ text }) => text),
      ['1', '2'],
    );
    assert.deepEqual(await world.counted(), { busy: 1 });
    world.flows.onFlowClosed(1);
    world.send(4, SITE, '4');
    await world.clock.advance(10);
    assert.equal(site.heard.length, 3);
  }
});

test('many new addresses at once are a scan', async () => {
  const world = await setUp({ bounds: { remoteBurstPerSession: 50, remoteRatePerSession: 10 } });
  for (let count = 1; count <= 200; count += 1) world.send(1, { host: `8.8.0.${count}`, port: 161 }, 'who is there?');
  await world.clock.advance(1);
  world.nat.tally.flush();
  assert.equal((await world.counted()).scanning, 150);
  assert.equal(world.moved.up, 50);
  // Those that it knows are not concerned.
  world.send(1, { host: '8.8.0.1', port: 161 }, 'again');
  assert.equal((await world.counted()).scanning, 150);
});

test('nobody is flooded who does not answer', async () => {
  const world = await setUp();
  const silent = await world.listen(SITE, null);
  const text = 'x'.repeat(1024);
  for (let count = 0; count < 400; count += 1) {
    world.send(1, SITE, text);
    await world.clock.advance(1);
  }
  assert.equal(silent.heard.length, DATAGRAM_BOUNDS.unansweredBytes / text.length + 1);
  const [first] = silent.heard;
  assert.ok(first);
  silent.socket.send(Buffer.from('go on'), first.from);
  await world.clock.advance(10);
  for (let count = 0; count < 400; count += 1) world.send(1, SITE, text);
  await world.clock.advance(10);
  assert.equal(silent.heard.length, DATAGRAM_BOUNDS.unansweredBytes / text.length + 401);
});

test('what cannot be read, or found, is dropped and counted', async () => {
  const world = await setUp();
  world.flows.onDatagram(1, Buffer.from('nonsense'), Buffer.from('x'));
  world.send(1, { host: 'nowhere.example', port: 53 }, 'x');
  await world.clock.advance(10);
  assert.deepEqual(await world.counted(), { malformed: 1, unresolved: 1 });
});
