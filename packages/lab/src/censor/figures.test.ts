// The sources' own figures, come to by the engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import { CensorEngine } from './engine.ts';
import type { FlowEvent, Tuple } from './flow.ts';
import { openings } from './openings.ts';
import { findPolicy } from './policies.ts';
import type { Policy } from './policy-file.ts';

function connection(port: number, atMs: number, payload: Buffer): FlowEvent {
  const server = { host: '203.0.113.7', port: 8388 };
  const tuple: Tuple = { transport: 'tcp', client: { host: '198.51.100.1', port }, server };
  return { kind: 'data', atMs, tuple, from: 'client', payload };
}

/** The share of uniformly random first packets that a variant of C25 would block, were it to sample all. */
function flaggedShare(policy: Policy, bytes: number, tries: number): number {
  const random = new SeededRandom(bytes);
  const engine = new CensorEngine([policy], { random, tooFast: 'lost' });
  let hits = 0;
  for (let one = 0; one < tries; one++) {
    // Far enough apart for what is remembered to be forgotten.
    const event = connection(1024 + one, one * 1_000_000, random.bytes(bytes));
    if (engine.judge(event).outcome.act === 'drop') hits += 1;
    engine.judge({ ...event, kind: 'close' });
  }
  return hits / tries;
}

const SHARES: readonly (readonly [bytes: number, least: number, most: number])[] = [
  [8, 0.62, 0.66],
  [16, 0.8, 0.84],
  [32, 0.925, 0.955],
  [50, 0.96, 0.98],
  [100, 0.99, 1],
];

for (const id of ['C25-paper', 'C25-artifact', 'C25-opengfw', 'C25-ndpi']) {
  test(`${id}: of random first packets, 64 % of 8 bytes, 82 % of 16, 94 % of 32, 97 % of 50 and over 99 % of 100 are not exempt`, () => {
    const policy = findPolicy(id, { settings: { C25: { chance: 1 } } });
    for (const [bytes, least, most] of SHARES) {
      const share = flaggedShare(policy, bytes, 4000);
      assert.ok(share >= least && share <= most, `${share} of ${bytes} bytes`);
    }
  });
}

test('C25: sampled at 26.3 %, one block at least in 3 tries 60 %, in 10 95 %, in 15 99 %', () => {
  const policy = findPolicy('C25-paper', { settings: { C25: { seconds: 0.001 } } });
  const runs = 4000;
  for (const [tries, expected] of [
    [3, 0.6],
    [10, 0.95],
    [15, 0.99],
  ] as const) {
    let blocked = 0;
    const random = new SeededRandom(tries);
    const engine = new CensorEngine([policy], { random, tooFast: 'lost' });
    let atMs = 0;
    for (let run = 0; run < runs; run++) {
      let isBlocked = false;
      for (let one = 0; one < tries; one++) {
        atMs += 1000;
        const event = connection(1024 + one, atMs, random.bytes(300));
        isBlocked = engine.judge(event).outcome.act === 'drop' || isBlocked;
        engine.judge({ ...event, kind: 'close' });
      }
      if (isBlocked) blocked += 1;
    }
    assert.ok(Math.abs(blocked / runs - expected) < 0.025, `${blocked / runs} in ${tries} tries`);
  }
});

test('C25: what was blocked stays so for 180 s, whatever it says, from the client on', () => {
  const policy = findPolicy('C25-paper', { settings: { C25: { chance: 1 } } });
  const engine = new CensorEngine([policy], { random: new SeededRandom(1), tooFast: 'lost' });
  const request = Buffer.from('GET / HTTP/1.1\r\n\r\n');
  assert.equal(engine.judge(connection(2000, 0, new SeededRandom(2).bytes(300))).outcome.act, 'drop');
  assert.equal(engine.judge(connection(2001, 179_000, request)).outcome.act, 'drop');
  assert.equal(engine.judge({ ...connection(2001, 179_000, request), from: 'server' }).outcome.act, 'pass');
  assert.equal(engine.judge(connection(2002, 181_000, request)).outcome.act, 'pass');
});

test('C05: the 60 s start again with each retransmission', () => {
  const engine = new CensorEngine([findPolicy('C05')], { random: new SeededRandom(1), tooFast: 'lost' });
  const random = new SeededRandom(3);
  const send = (atMs: number, isRepeat: boolean) => {
    const event = connection(3000, atMs, random.bytes(100));
    const tuple = { ...event.tuple, server: { ...event.tuple.server, port: 443 } };
    return engine.judge({ ...event, tuple, isRepeat }).outcome.act;
  };
  const acts = [send(0, false), send(1000, false), send(59_000, true)];
  assert.deepEqual(acts, ['pass', 'drop', 'drop']);
  const other = connection(3001, 115_000, Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  const tuple = { ...other.tuple, server: { ...other.tuple.server, port: 443 } };
  assert.equal(engine.judge({ ...other, tuple }).outcome.act, 'drop');
  assert.equal(engine.judge({ ...other, tuple, atMs: 120_000 }).outcome.act, 'pass');
});

test('C15: 140 kbit/s get through, and no more', () => {
  const engine = new CensorEngine([findPolicy('C15')], { random: new SeededRandom(1), tooFast: 'lost' });
  const random = new SeededRandom(4);
  const { server } = connection(0, 0, Buffer.alloc(0)).tuple;
  const tuple: Tuple = { transport: 'tcp', client: { host: '198.51.100.1', port: 4000 }, server };
  engine.judge({ kind: 'data', atMs: 0, tuple, from: 'client', payload: helloOf(random) });
  let passed = 0;
  for (let atMs = 1; atMs <= 60_000; atMs += 5) {
    const { outcome } = engine.judge({ kind: 'data', atMs, tuple, from: 'server', payload: Buffer.alloc(1400) });
    if (outcome.act === 'pass') passed += 1400;
  }
  const kilobits = (passed * 8) / 60_000;
  assert.ok(kilobits > 130 && kilobits < 150, `${kilobits} kbit/s`);
});

test('the same events and seed give the same verdict log', () => {
  const logs = [1, 1, 2].map((seed) => {
    const log: string[] = [];
    const random = new SeededRandom(seed);
    const onVerdict = (line: object) => void log.push(JSON.stringify(line));
    const engine = new CensorEngine([findPolicy('C25-paper')], { random, tooFast: 'lost', onVerdict });
    const bytes = new SeededRandom(9);
    for (let one = 0; one < 200; one++) engine.judge(connection(1024 + one, one * 200_000, bytes.bytes(200)));
    return log.join('\n');
  });
  assert.equal(logs[0], logs[1]);
  assert.notEqual(logs[0], logs[2]);
});

function helloOf(random: SeededRandom): Buffer {
  const opening = openings.get('tls');
  assert.ok(opening);
  const [first] = opening(random, 't.co').packets;
  assert.ok(first);
  return first[1];
}
