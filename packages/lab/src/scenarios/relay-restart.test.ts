import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { type Origin, startOrigin } from '../testing/origin.ts';
import { runRozan } from '../testing/program.ts';
import {
  type RelayNetwork,
  type RelayNetworkOptions,
  type RelayProgram,
  startRelayNetwork,
} from '../testing/relay-network.ts';
import { connectBySocks, endOf, SOCKS_SUCCEEDED } from '../testing/socks-client.ts';
import { curl, needs } from '../testing/tools.ts';

/** Within this time of a relay's start the client has a session again (issue's bound). */
const SESSION_AGAIN_MS = 10_000;
/** Within this time of a home relay's death new streams flow through another: 5 s by design, and room for a busy machine. */
const OTHER_HOME_MS = 15_000;
/** A silent relay is suspected first. */
const SILENT_HOME_MS = 30_000;
const LARGE_BYTES = 30_000_000;
const FIRST_BYTES = 100_000;

/** An origin that echoes. */
function startEcho(): Promise<Origin> {
  return startOrigin((conn) => conn.pipe(conn));
}

async function startNetwork(origin: Origin, options: RelayNetworkOptions = {}): Promise<RelayNetwork> {
  return startRelayNetwork({ ...options, egressAllow: [`127.0.0.1/32:${origin.port}`] });
}

async function openStream(network: RelayNetwork, origin: Origin): Promise<Conn> {
  const { conn, reply } = await connectBySocks(network.client.text('socks'), {
    host: '127.0.0.1',
    port: origin.port,
    as: 'address',
  });
  assert.equal(reply, SOCKS_SUCCEEDED);
  return conn;
}

/** Sends something through a new stream and gets it back. */
async function expectEcho(network: RelayNetwork, origin: Origin): Promise<void> {
  const conn = await openStream(network, origin);
  const bytes = randomBytes(50_000);
  const giveUp = setTimeout(() => conn.destroy(new Error('no echo')), SESSION_AGAIN_MS);
  conn.write(bytes);
  assert.deepEqual(await readExactly(conn, bytes.length), bytes);
  clearTimeout(giveUp);
  conn.destroy();
}

/** A stream that has carried something and is open. */
async function openBusyStream(network: RelayNetwork, origin: Origin): Promise<Conn> {
  const conn = await openStream(network, origin);
  conn.write('to and fro');
  await readExactly(conn, 10);
  return conn;
}

function only<T>(items: readonly T[]): T {
  const [first] = items;
  assert.ok(first !== undefined);
  return first;
}

/** The relay of the client's first session, and the other one. */
async function homeAndOther({
  client,
  relays,
}: RelayNetwork): Promise<readonly [home: RelayProgram, other: RelayProgram]> {
  const { relay } = await client.waitForEvent(({ event }) => event === 'session.opened');
  const home = relays.find(({ tag }) => tag === relay);
  const other = relays.find(({ tag }) => tag !== relay);
  assert.ok(home !== undefined && other !== undefined);
  return [home, other];
}

async function streamsOf({ folder }: RelayProgram): Promise<unknown> {
  const { code, out, err } = await runRozan(['relay', 'status', '--data', folder, '--json']);
  assert.equal(code, 0, err);
  return JSON.parse(out).streams;
}

for (const [signal, code] of [
  ['SIGKILL', 'session-lost'],
  ['SIGTERM', 'relay-shutdown'],
] as const) {
  test(`a relay ended by ${signal} and started again: streams are reset (${code}), and a session is there again`, async () => {
    await using origin = await startEcho();
    await using network = await startNetwork(origin);
    const { client } = network;
    const relay = only(network.relays);
    const conns = [await openBusyStream(network, origin), await openBusyStream(network, origin)];
    const ends = conns.map(endOf);
    const before = client.events.length;
    await relay.restart(signal);
    await client.waitForEvent(({ event }) => event === 'session.opened', { after: before, withinMs: SESSION_AGAIN_MS });
    assert.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET']);
    const closed = await client.waitForEvent(({ event }) => event === 'session.closed', { after: before });
    assert.equal(closed.code, code);
    const failed = client.events.filter(({ event }) => event === 'stream.failed');
    assert.deepEqual(failed, Array(2).fill({ event: 'stream.failed', proxy: 'socks', code, answered: true }));
    await expectEcho(network, origin);
  });

  test(`a relay ended by ${signal}: an answer without a length does not look whole`, needs('curl'), async () => {
    await using origin = await startOrigin((conn) => {
      conn.once('data', () => conn.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it'));
    });
    await using network = await startNetwork(origin);
    const { client } = network;
    const http = client.text('http');
    const url = `http://127.0.0.1:${origin.port}/`;
    const ways = [
      ['-x', `http://${http}`],
      ['-p', '-x', `http://${http}`],
      ['--socks5-hostname', client.text('socks')],
    ];
    const halves = ways.map(() => Promise.withResolvers<void>());
    const runs = ways.map((way, index) => curl(['-N', ...way, url], { onFirstBytes: () => halves[index]?.resolve() }));
    await Promise.all(halves.map(({ promise }) => promise));
    await only(network.relays).restart(signal);
    for (const run of runs) {
      const { code: exitCode, out } = await run;
      assert.equal(out.toString(), 'half of it');
      assert.ok(exitCode === 18 || exitCode === 56, `curl ended with ${exitCode}`);
    }
  });
}

test('a home relay that is killed: new streams flow through the other one', async () => {
  await using origin = await startEcho();
  await using network = await startNetwork(origin, { relays: 2 });
  const [home, other] = await homeAndOther(network);
  const conn = await openBusyStream(network, origin);
  const before = network.client.events.length;
  await home.program.stop('SIGKILL');
  await network.client.waitForEvent(({ event, relay }) => event === 'session.opened' && relay === other.tag, {
    after: before,
    withinMs: OTHER_HOME_MS,
  });
  await expectEcho(network, origin);
  conn.destroy();
});

test('a home relay that falls silent: new streams flow through the other one, and the old ones go on when it is back', async () => {
  await using origin = await startEcho();
  await using network = await startNetwork(origin, { relays: 2 });
  const [home, other] = await homeAndOther(network);
  const conn = await openBusyStream(network, origin);
  const before = network.client.events.length;
  home.program.signal('SIGSTOP');
  conn.write('is anybody there?');
  await network.client.waitForEvent(({ event, relay }) => event === 'session.opened' && relay === other.tag, {
    after: before,
    withinMs: SILENT_HOME_MS,
  });
  await expectEcho(network, origin);
  home.program.signal('SIGCONT');
  assert.equal((await readExactly(conn, 17)).toString(), 'is anybody there?');
  conn.destroy();
});

test('drain: new streams go through the other relay while a download through the first goes on to its end', async () => {
  const body = randomBytes(LARGE_BYTES);
  await using origin = await startOrigin((conn) => conn.once('data', () => conn.end(body)));
  await using network = await startNetwork(origin, { relays: 2 });
  const { client } = network;
  const [home, other] = await homeAndOther(network);
  const download = await openStream(network, origin);
  download.write('go');
  const first = await readExactly(download, FIRST_BYTES);
  const drained = await runRozan(['relay', 'drain', '--data', home.folder]);
  assert.equal(drained.code, 0, drained.err);
  assert.match(drained.out, /drains/);
  await client.waitForEvent(({ event, relay }) => event === 'session.opened' && relay === other.tag);
  assert.ok(client.events.some(({ event, relay }) => event === 'relay.draining' && relay === home.tag));
  const next = await openStream(network, origin);
  next.write('go');
  await readExactly(next, FIRST_BYTES);
  assert.equal(await streamsOf(other), 1);
  assert.equal(await streamsOf(home), 1);
  next.destroy();
  const rest = createHash('sha256').update(first);
  download.on('data', (chunk: Buffer) => rest.update(chunk)).resume();
  await once(download, 'end', { signal: AbortSignal.timeout(SILENT_HOME_MS) });
  assert.equal(rest.digest('hex'), createHash('sha256').update(body).digest('hex'));
  download.end();
  // Empty, the draining relay is let go.
  await client.waitForEvent(({ event, relay }) => event === 'session.closed' && relay === home.tag);
});

test('a drained relay takes no new clients', async () => {
  await using origin = await startEcho();
  await using network = await startNetwork(origin, { relays: 2 });
  const [home, other] = await homeAndOther(network);
  const before = network.client.events.length;
  await runRozan(['relay', 'drain', '--data', home.folder]);
  await network.client.waitForEvent(({ event, relay }) => event === 'session.closed' && relay === home.tag);
  const opened = network.client.events.slice(before).filter(({ event }) => event === 'session.opened');
  assert.deepEqual(
    opened.map(({ relay }) => relay),
    [other.tag],
  );
  await expectEcho(network, origin);
});
