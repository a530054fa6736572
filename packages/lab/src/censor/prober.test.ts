import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createMiddlebox } from './middlebox.ts';
import { findPolicy } from './policies.ts';
import { probeDelayMs } from './prober.ts';

const SERVER = { host: '203.0.113.7', port: 8388 };

/** What a server does with a connection's first bytes. */
type Server = (conn: Conn, first: Buffer) => void;

/** Runs one client past the policy to a server, lets the prober do its work, and says what it found and whether a second client then gets through. */
async function probed(id: string, server: Server): Promise<{ found: boolean | null; second: boolean; probes: number }> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env = { network, clock, random: new SeededRandom(5), log: () => {} };
  let accepted = 0;
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    accepted += 1;
    conn.on('error', () => {});
    conn.once('data', (first: Buffer) => server(conn, first));
  });
  let found: boolean | null = null;
  const onFinding = (isProxy: boolean): void => {
    found = isProxy;
  };
  await using box = createMiddlebox(findPolicy(id), env, { prober: { mostDelayMs: 0, onFinding } });
  const talk = async (user: string): Promise<boolean> => {
    const address = await box.routeFor(user)({ actual: listener.address, seenAs: SERVER });
    const conn = await network.dial(address);
    let hasAnswer = false;
    conn.on('error', () => {});
    conn.on('data', () => {
      hasAnswer = true;
    });
    conn.write(FLIGHT);
    await clock.advance(60_000);
    conn.destroy();
    return hasAnswer;
  };
  await talk('198.51.100.1');
  const probes = accepted - 1;
  return { found, second: await talk('198.51.100.2'), probes };
}

const FLIGHT = new SeededRandom(11).bytes(300);
const answer = (conn: Conn): void => void conn.write('an answer');

test('C31 finds a server that answers what it has heard before and nothing else, and blocks it for others', async () => {
  const result = await probed('C31', (conn, first) => {
    if (first.equals(FLIGHT)) answer(conn);
  });
  assert.deepEqual([result.found, result.second], [true, false]);
});

test('C31 finds a server that hangs up at a length', async () => {
  const heard = new Set<string>();
  const result = await probed('C31', (conn, first) => {
    const key = first.toString('hex');
    if (first.equals(FLIGHT) && !heard.has(key)) answer(conn);
    else if (first.length > 48) conn.resetAndDestroy?.();
    heard.add(key);
  });
  assert.equal(result.found, true);
});

test('C31 does not find a server that remembers what it has heard and answers nobody else', async () => {
  const heard = new Set<string>();
  const result = await probed('C31', (conn, first) => {
    const key = first.toString('hex');
    if (first.equals(FLIGHT) && !heard.has(key)) answer(conn);
    heard.add(key);
  });
  assert.equal(result.found, false);
  // R1, R2, and the random ones of NR1 and NR2; R3 to R5 come only behind an answer.
  assert.equal(result.probes, 24);
});

test('C31 does not find one that answers anything', async () => {
  const { found, second } = await probed('C31', answer);
  assert.deepEqual([found, second], [false, true]);
});

test('C32 finds a server that answers no protocol and hangs up at a length, and not a web site, nor one that is silent for ever', async () => {
  const closer = await probed('C32', (conn, first) => {
    if (first.equals(FLIGHT)) answer(conn);
    else if (first.length >= 50) conn.end();
  });
  assert.deepEqual([closer.found, closer.second], [true, false]);
  const site = await probed('C32', (conn) => void conn.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  assert.equal(site.found, false);
  const silent = await probed('C32', (conn, first) => {
    if (first.equals(FLIGHT)) answer(conn);
  });
  assert.equal(silent.found, false);
});

test('probes come when they came: one in five within a second, half within a minute, three in four within a quarter of an hour', () => {
  assert.ok(Math.abs(probeDelayMs(0) - 280) < 1);
  assert.ok(Math.abs(probeDelayMs(0.2) - 1000) < 1);
  assert.ok(Math.abs(probeDelayMs(0.5) - 60_000) < 1);
  assert.ok(Math.abs(probeDelayMs(0.75) - 900_000) < 1);
  assert.ok(probeDelayMs(0.999) < 570 * 3_600_000);
});
