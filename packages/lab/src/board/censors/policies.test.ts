import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import type { Flow, FlowRule, Verdict } from './flow-rule.ts';
import { POLICIES } from './policies.ts';

const SEGMENT = 1448;

function flowTo(port: number, openedMs = 0, host = '203.0.113.7'): Flow {
  return { userHost: '198.18.0.1', server: { host, port }, openedMs };
}

/** The first verdict other than "pass" that a connection meets, which sends these bytes. */
function meet(rule: FlowRule, flow: Flow, bytes: Buffer): Verdict['act'] {
  const onOpen = rule.onOpen?.(flow) ?? { act: 'pass' };
  if (onOpen.act !== 'pass') return onOpen.act;
  for (let index = 0; index * SEGMENT < bytes.length; index += 1) {
    const piece = bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT);
    const packet = { from: 'client', bytes: piece, index, indexInDirection: index, nowMs: flow.openedMs } as const;
    const verdict = rule.onPacket?.(flow, packet) ?? { act: 'pass' };
    if (verdict.act !== 'pass') return verdict.act;
  }
  return 'pass';
}

function ruleOf(id: string, seed = 1): FlowRule {
  const policy = POLICIES.find((each) => each.id === id) ?? assert.fail(`no policy ${id}`);
  return policy.createRule(new SeededRandom(seed));
}

const HELLO = Buffer.from('16030102000100', 'hex');
const GET = Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
const RANDOM = Buffer.from(randomBytes(400));

for (const policy of POLICIES) {
  test(`${policy.id} meets its control`, () => {
    const rule = policy.createRule(new SeededRandom(3));
    const { first, server } = policy.control;
    // Forty: the one that samples hits one in four, the one that counts needs many at once.
    const acts = Array.from({ length: 40 }, (_, index) =>
      meet(rule, flowTo(server.port, index * 1e6, server.host), first),
    );
    assert.ok(
      acts.some((act) => act !== 'pass'),
      acts.join(),
    );
  });
}

const cases: [string, string, number, Buffer, Verdict['act']][] = [
  ['C01-rst', 'TLS', 443, HELLO, 'at-age'],
  ['C01-rst', 'HTTP', 80, GET, 'pass'],
  ['C01b-drop', 'random bytes', 4443, RANDOM, 'at-age'],
  ['C01b-drop', 'HTTP', 80, GET, 'pass'],
  ['C03', 'HTTP', 8080, GET, 'pass'],
  ['C03', 'TLS', 443, HELLO, 'drop'],
  ['C05', 'random bytes elsewhere', 4443, RANDOM, 'pass'],
  ['C05', 'random bytes', 443, RANDOM, 'drop'],
  ['C05', 'TLS at port 80', 80, HELLO, 'pass'],
  ['C05', 'HTTP of fewer than 8 bytes', 80, Buffer.from('GET / '), 'drop'],
  ['C07', 'port 443', 443, RANDOM, 'pass'],
  ['C07', 'port 22', 22, GET, 'drop'],
  ['C21', 'port 8443', 8443, HELLO, 'pass'],
  ['C24', 'SSH 1.99', 22, Buffer.from('SSH-1.99-x\r\n'), 'pass'],
  ['C34-25', '25 packets', 443, Buffer.alloc(25 * SEGMENT, 1), 'pass'],
  ['C34-25', '26 packets', 443, Buffer.alloc(26 * SEGMENT, 1), 'drop'],
  ['C34-25', 'SSH', 22, Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(90 * SEGMENT)]), 'pass'],
];

for (const [id, what, port, bytes, act] of cases) {
  test(`${id}: ${what} → ${act}`, () => assert.equal(meet(ruleOf(id), flowTo(port), bytes), act));
}

test('C25 samples 26.3 % of connections, then blocks client, server and port for 180 s', () => {
  const rule = ruleOf('C25-paper', 7);
  const hits = Array.from({ length: 4000 }, (_, index) => meet(rule, flowTo(4443, index * 200_000), RANDOM)).filter(
    (act) => act === 'drop',
  ).length;
  assert.ok(Math.abs(hits / 4000 - 0.263) < 0.03, String(hits));
  const residual = ruleOf('C25-paper', 7);
  let ms = 0;
  while (meet(residual, flowTo(4443, ms), RANDOM) !== 'drop') ms += 1000;
  assert.equal(meet(residual, flowTo(4443, ms + 179_000), GET), 'drop');
  assert.equal(meet(residual, flowTo(4444, ms + 1000), GET), 'pass');
  assert.equal(meet(residual, flowTo(4443, ms + 181_000), GET), 'pass');
});

test('C05 blocks for 60 s after an offence', () => {
  const rule = ruleOf('C05');
  assert.equal(meet(rule, flowTo(443, 0), RANDOM), 'drop');
  assert.equal(meet(rule, flowTo(443, 59_000), HELLO), 'drop');
  assert.equal(meet(rule, flowTo(443, 61_000), HELLO), 'pass');
});
