import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, readAll } from '@rozan/tunnel/testing';
import { LOCAL_BOUNDS } from '../limits/constants.ts';
import { serveMetrics } from './metrics-server.ts';
import { RelayMetrics } from './relay-metrics.ts';

async function setUp() {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const metrics = new RelayMetrics();
  const server = await serveMetrics(
    { network, clock, log: () => undefined },
    { address: { host: '127.0.0.1', port: 0 }, metrics },
  );
  const dial = (): Promise<Conn> => network.dial(server.address);
  const ask = async (head: string): Promise<string> => {
    const conn = await dial();
    conn.write(`${head}\r\n\r\n`);
    return (await readAll(conn)).toString();
  };
  return { clock, network, metrics, server, dial, ask };
}

const GET = 'GET /metrics HTTP/1.1\r\nhost: localhost:9090';

test('counters and the numbers of the moment are shown', async () => {
  const { metrics, server, ask } = await setUp();
  metrics.observe(() => ({
    sessions: 5,
    detachedSessions: 2,
    streams: 7,
    forwarded: 0,
    strangers: 3,
    heldBytes: 4_096,
    draining: true,
  }));
  metrics.handshake('accepted');
  metrics.handshake('replayed');
  metrics.handshake('accepted');
  metrics.streamOpened();
  metrics.streamClosed();
  metrics.dialled('connected');
  metrics.dialled('forbidden');
  metrics.moved({ up: 10, down: 20 });
  metrics.flowOpened();
  metrics.flowOpened();
  metrics.flowClosed();
  metrics.datagramsMoved('up', { datagrams: 3, bytes: 300 });
  metrics.datagramsMoved('down', { datagrams: 2, bytes: 90 });
  metrics.datagramsDropped('forbidden', 4);
  metrics.carrierAttached();
  metrics.carrierAttached();
  metrics.carrierLost('reset');
  metrics.carrierLost('what a peer says');
  const reply = await ask(GET);
  assert.match(reply, /^HTTP\/1\.1 200 /);
  for (const line of [
    'rozan_relay_handshakes_total{outcome="accepted"} 2',
    'rozan_relay_handshakes_total{outcome="replayed"} 1',
    'rozan_relay_streams_opened_total 1',
    'rozan_relay_dials_total{outcome="forbidden"} 1',
    'rozan_relay_stream_bytes_total{direction="up"} 10',
    'rozan_relay_stream_bytes_total{direction="down"} 20',
    'rozan_relay_flows 1',
    'rozan_relay_flows_opened_total 2',
    'rozan_relay_datagrams_total{direction="up"} 3',
    'rozan_relay_datagram_bytes_total{direction="down"} 90',
    'rozan_relay_datagrams_dropped_total{reason="forbidden"} 4',
    'rozan_relay_carriers 0',
    'rozan_relay_carriers_lost_total{cause="reset"} 1',
    'rozan_relay_carriers_lost_total{cause="other"} 1',
    'rozan_relay_sessions_live 3',
    'rozan_relay_sessions_detached 2',
    'rozan_relay_streams 7',
    'rozan_relay_strangers 3',
    'rozan_relay_session_bytes 4096',
    'rozan_relay_draining 1',
  ]) {
    assert.ok(reply.includes(`\n${line}\n`), line);
  }
  assert.match(reply, /\nprocess_resident_memory_bytes [0-9]+\n/);
  await server.close();
});

test('anything but GET /metrics for a name of this machine is refused', async () => {
  const { server, ask } = await setUp();
  for (const [head, status] of [
    ['GET / HTTP/1.1\r\nhost: localhost', 404],
    ['GET /metrics/x HTTP/1.1\r\nhost: localhost', 404],
    ['POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0', 405],
    ['HEAD /metrics HTTP/1.1\r\nhost: localhost', 405],
    ['GET /metrics HTTP/1.1\r\nhost: evil.example', 403],
    ['GET /metrics HTTP/1.1\r\nhost: localhost.evil.example', 403],
    ['GET /metrics HTTP/1.0', 403],
    ['GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:9090', 200],
    ['GET /metrics HTTP/1.1\r\nhost: [::1]:9090', 200],
  ] as const) {
    assert.match(await ask(head), new RegExp(`^HTTP/1\\.1 ${status} `), head);
  }
  for (const head of ['nonsense', `${GET}\r\nx: ${'y'.repeat(10_000)}`]) assert.equal(await ask(head), '', head);
  await server.close();
});

test('connections are bounded in number and in time', async () => {
  const { clock, network, server, dial } = await setUp();
  for (let count = 0; count < LOCAL_BOUNDS.metricsConns; count += 1) await dial();
  await clock.settle();
  assert.equal(network.connections.length, LOCAL_BOUNDS.metricsConns);
  const tooMany = await dial();
  tooMany.resume();
  await once(tooMany, 'end');
  await clock.advance(LOCAL_BOUNDS.metricsIdleMs);
  assert.equal(clock.pendingTimers, 0);
  const next = await dial();
  next.write(`${GET}\r\n\r\n`);
  assert.match((await readAll(next)).toString(), /^HTTP\/1\.1 200 /);
  await server.close();
});

test('closing it ends what is under way and frees the port', async () => {
  const { clock, network, server, dial } = await setUp();
  const conn = await dial();
  conn.resume();
  await clock.settle();
  await server.close();
  await once(conn, 'end');
  assert.equal(network.listenerCount, 0);
  assert.equal(clock.pendingTimers, 0);
});
