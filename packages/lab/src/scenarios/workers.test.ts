import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { type ClientAttach, parseServerEntry, parseShareLink } from '@rozan/protocol';
import { type CarrierLink, type Conn, createEnv, type Network } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';

// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { runTransfer, startOrigin as startKnownOrigin } from '../../../../bench/integrity.mjs';
import { LabDialer } from '../testing/lab-dialer.ts';
import { type Origin, startOrigin } from '../testing/origin.ts';
import { runProbe, SILENCE } from '../testing/probe.ts';
import { type Program, runRozan } from '../testing/program.ts';
import { recordDials } from '../testing/recording.ts';
import { connectBySocks, endOf, SOCKS_SUCCEEDED } from '../testing/socks-client.ts';
import { startWorkerRelay } from '../testing/worker-relay.ts';

const PATIENCE_MS = 20_000;
const TRANSFER_MB = 6;
/** docs/spec/wire.md §6.1 */
const PING = Buffer.of(1);
const CUT_AFTER_MS = 400;
/** Slow enough for each transfer to be cut several times. */
const LINE_KBPS = 80_000;

async function openStream(client: Program, origin: Origin): Promise<Conn> {
  const target = { host: '127.0.0.1', port: origin.port, as: 'address' } as const;
  const { conn, reply } = await connectBySocks(client.text('socks'), target);
  assert.equal(reply, SOCKS_SUCCEEDED);
  return conn;
}

async function expectEcho(conn: Conn): Promise<void> {
  const bytes = randomBytes(20_000);
  const giveUp = setTimeout(() => conn.destroy(new Error('no echo')), PATIENCE_MS);
  conn.write(bytes);
  assert.deepEqual(await readExactly(conn, bytes.length), bytes);
  clearTimeout(giveUp);
}

function startEcho(): Promise<Origin> {
  return startOrigin((conn) => conn.pipe(conn));
}

function createDialer(link: string, network?: Network): LabDialer {
  return new LabDialer(createEnv({ log: () => {}, network }), parseServerEntry(parseShareLink(link)).entry);
}

function count(client: Program, name: string): number {
  return client.events.filter(({ event }) => event === name).length;
}

describe('a relay of two workers', { timeout: 300_000 }, () => {
  test('deals sessions out to both, and carriers find their session at either', async () => {
    await using stack = new AsyncDisposableStack();
    const origin = await startKnownOrigin();
    stack.defer(() => origin.stop());
    const relay = stack.use(await startWorkerRelay(2, origin.port));
    const clients = [await relay.startClient(), await relay.startClient()];
    clients.push(await relay.startClient(), await relay.startClient());
    assert.deepEqual((await relay.status()).sessionsByWorker, [2, 2]);
    relay.cutter.setMode({ cutAfterMs: CUT_AFTER_MS, lineKbps: LINE_KBPS });
    relay.cutter.cutAll();
    const transfers = clients.map((client) =>
      runTransfer({ socks: client.text('socks'), originPort: origin.port, mb: TRANSFER_MB }),
    );
    for (const results of await Promise.all(transfers)) assert.equal(results.length, 2);
    relay.cutter.setMode({ cutAfterMs: 0, lineKbps: 0 });
    for (const client of clients) {
      assert.equal(count(client, 'session.closed'), 0);
      assert.equal(count(client, 'session.opened'), 1);
      assert.ok(count(client, 'carrier.attached') >= 5, 'it was cut often');
      const stalled = client.events.filter(({ event, cause }) => event === 'carrier.lost' && cause === 'stalled');
      assert.deepEqual(stalled, [], 'all carriers carry, wherever they arrive');
    }
    // The counts of both workers together.
    const attached = clients.reduce((sum, client) => sum + count(client, 'carrier.attached'), 0);
    assert.ok((await relay.metric('rozan_relay_carriers_attached_total')) >= attached);
    assert.deepEqual((await relay.status()).sessionsByWorker, [2, 2]);
  });

  test('hands a carrier to the worker that has its session, and says at once when that is no more', async () => {
    await using relay = await startWorkerRelay(2, 9);
    const dialer = createDialer(relay.link);
    const dial = (attach: ClientAttach) => dialer.dial(() => attach, AbortSignal.timeout(PATIENCE_MS));
    const { sessionSecret, link } = await dial({ kind: 'new' });
    assert.ok(sessionSecret !== null);
    const conns = [link.conn];
    // A PING on each carrier is answered, over that one or another.
    const expectAnswer = async ({ sealer, conn }: CarrierLink) => {
      const answered = Promise.race(
        conns.map((each) => once(each, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })),
      );
      conn.resume();
      conn.write(Buffer.concat(sealer.seal([PING])));
      await answered;
    };
    await expectAnswer(link);
    const resume = (number: number) => dial({ kind: 'resume', sessionSecret, counter: number, carrierId: number });
    for (const number of [1, 2, 3, 4]) {
      const { reply, link } = await resume(number);
      assert.equal(reply.status, 'accepted');
      conns.push(link.conn);
      await expectAnswer(link);
    }
    const { sessions, sessionsByWorker } = await relay.status();
    assert.equal(sessions, 1);
    const ends = conns.map((conn) => new Promise((resolve) => conn.on('error', () => {}).once('close', resolve)));
    const owner = relay.program.children()[sessionsByWorker.indexOf(1)];
    assert.ok(owner !== undefined);
    for (const conn of conns) conn.on('end', () => conn.end()).resume();
    process.kill(owner, 'SIGKILL');
    await Promise.all(ends);
    await relay.program.waitForEvent(({ event }) => event === 'worker.lost');
    for (const number of [5, 6]) await assert.rejects(resume(number), { code: 'unknown-session' });
  });

  test('refuses a recorded handshake at every worker', async () => {
    await using relay = await startWorkerRelay(2, 9);
    const network = recordDials(createEnv({ log: () => {} }).network);
    const dialer = createDialer(relay.link, network);
    for (const _ of ['unsynced', 'synced']) {
      const { reply, link } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS));
      assert.equal(reply.status, 'accepted');
      link.conn.destroy();
    }
    const flights = network.recordings.map(({ sent }) => Buffer.concat(sent));
    // Connections go to the workers in turn, so that each gets both flights.
    const order = [0, 0, 1, 1, 0, 0, 1, 1];
    const probes = order.map((index) =>
      runProbe(network, relay.address, {
        name: `${index}`,
        pieces: [flights[index] ?? Buffer.alloc(0)],
        after: 'wait',
      }),
    );
    assert.deepEqual(
      await Promise.all(probes),
      order.map(() => SILENCE),
    );
    assert.equal(await relay.metric('rozan_relay_handshakes_total'), flights.length + order.length);
  });

  test('loses only the sessions of a worker that is killed, which comes back', async () => {
    await using origin = await startEcho();
    await using relay = await startWorkerRelay(2, origin.port);
    const clients = [await relay.startClient(), await relay.startClient()];
    const conns = await Promise.all(clients.map((client) => openStream(client, origin)));
    for (const conn of conns) await expectEcho(conn);
    const countedBefore = await relay.metric('rozan_relay_streams_opened_total');
    const [victim = 0, ...others] = relay.program.children();
    assert.equal(others.length, 1);
    const lost = clients.map((client) => client.waitForEvent(({ event }) => event === 'session.closed'));
    const first = Promise.race(lost.map((each, index) => each.then(({ code }) => ({ index, code }))));
    process.kill(victim, 'SIGKILL');
    const { index, code } = await first;
    assert.equal(code, 'session-lost');
    const [lostConn, keptConn] = index === 0 ? conns : conns.toReversed();
    assert.ok(lostConn !== undefined && keptConn !== undefined);
    assert.equal(await endOf(lostConn), 'ECONNRESET');
    await expectEcho(keptConn);
    await relay.program.waitForEvent(({ event }) => event === 'worker.lost');
    await relay.program.waitForEvent(({ event }) => event === 'worker.back');
    for (const client of clients) await expectEcho(await openStream(client, origin));
    assert.equal(count(clients[1 - index] ?? relay.program, 'session.closed'), 0);
    const { sessionsByWorker } = await relay.waitForStatus(({ sessions }) => sessions === 2);
    assert.ok(sessionsByWorker.every((sessions) => sessions !== null));
    assert.ok((await relay.metric('rozan_relay_streams_opened_total')) >= countedBefore);
  });

  test('drains as one, tells its state as one, and leaves nothing behind', async () => {
    await using origin = await startEcho();
    await using relay = await startWorkerRelay(2, origin.port);
    const clients = [await relay.startClient(), await relay.startClient()];
    const conns = await Promise.all(clients.map((client) => openStream(client, origin)));
    await relay.waitForStatus(({ streams }) => streams === 2);
    const { code } = await runRozan(['relay', 'drain', '--data', relay.folder]);
    assert.equal(code, 0);
    assert.equal((await relay.status()).draining, true);
    assert.equal(await relay.metric('rozan_relay_draining'), 1);
    for (const client of clients) await client.waitForEvent(({ event }) => event === 'relay.draining');
    for (const conn of conns) await expectEcho(conn);
    const ends = conns.map(endOf);
    // Its end, the ends of its workers and how long they take are asserted there.
    await relay.program.stop();
    assert.deepEqual(await Promise.all(ends), ['ECONNRESET', 'ECONNRESET']);
    assert.deepEqual(
      (await readdir(relay.folder)).filter((name) => name.endsWith('.sock')),
      [],
    );
  });

  test('ends with its supervisor, and starts again on the same folder', async () => {
    await using relay = await startWorkerRelay(2, 9);
    assert.equal(relay.program.children().length, 2);
    // That no worker is left is asserted there.
    await relay.program.stop('SIGKILL');
    const again = await runRozan(['relay', '--data', relay.folder, '--workers', '2'], { stopAt: 'Ctrl-C' });
    assert.equal(again.code, 0, again.err);
  });
});
