import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { protocolOpenings } from '../testing/probe.ts';
import { judgeFirstPacket, measurePacket, passesWithMargin, RULE_VARIANTS, type RuleVariant } from './first-packet.ts';

const ENGINES = RULE_VARIANTS.filter((variant) => variant !== 'ndpi');

function flagged(bytes: Buffer): RuleVariant[] {
  return RULE_VARIANTS.filter((variant) => judgeFirstPacket(bytes, variant).isFlagged);
}

/** Unprintable, with four set bits in each byte. */
const noise = (count: number): Buffer => Buffer.alloc(count, 0x0f);
const text = (count: number): Buffer => Buffer.alloc(count, 'U');

test('Ex1: set bits per byte, both edges inclusive', () => {
  // 3.4 and 4.6 on average: bytes of 3 and 4, of 4 and 5 set bits, in parts of 3 to 2 and 2 to 3.
  const mixed = (a: number, b: number, parts: readonly [number, number]) =>
    Buffer.concat(
      Array.from({ length: 20 }, () => Buffer.concat([Buffer.alloc(parts[0], a), Buffer.alloc(parts[1], b)])),
    );
  for (const edge of [mixed(0x07, 0x0f, [3, 2]), mixed(0x0f, 0x8f, [2, 3])]) {
    assert.deepEqual(flagged(edge), []);
    assert.deepEqual(judgeFirstPacket(edge, 'paper').exemptions, ['popcount']);
  }
  for (const inside of [mixed(0x07, 0x0f, [2, 3]), mixed(0x0f, 0x8f, [3, 2]), noise(200)]) {
    assert.deepEqual(flagged(inside), RULE_VARIANTS);
  }
  assert.deepEqual(flagged(Buffer.alloc(100)), []);
  assert.deepEqual(flagged(Buffer.alloc(100, 0xff)), []);
});

test('Ex2: the first six bytes printable', () => {
  assert.deepEqual(flagged(Buffer.concat([text(6), noise(100)])), []);
  assert.deepEqual(flagged(Buffer.concat([text(5), noise(100)])), RULE_VARIANTS);
  assert.deepEqual(flagged(Buffer.concat([noise(1), text(6), noise(100)])), RULE_VARIANTS);
});

test('Ex3: more than half printable', () => {
  const alternating = (count: number) => Buffer.concat(Array.from({ length: count }, () => Buffer.of(0x0f, 0x55)));
  assert.deepEqual(flagged(alternating(50)), RULE_VARIANTS);
  assert.deepEqual(flagged(Buffer.concat([alternating(50), text(1)])), []);
});

test('Ex4: more than 20 printable in a row; 20 are enough for nDPI', () => {
  const run = (count: number) => Buffer.concat([noise(50), text(count), noise(50)]);
  assert.deepEqual(flagged(run(21)), []);
  assert.deepEqual(flagged(run(20)), ENGINES);
  assert.deepEqual(flagged(run(19)), RULE_VARIANTS);
});

test('Ex5: the first bytes of TLS and HTTP, where the three readings differ', () => {
  const after = (...first: number[]) => Buffer.concat([Buffer.of(...first), noise(100)]);
  assert.deepEqual(flagged(after(0x16, 0x03, 0x01)), ['ndpi']);
  assert.deepEqual(flagged(after(0x17, 0x03, 0x09)), ['opengfw', 'ndpi']);
  assert.deepEqual(flagged(after(0x17, 0x03, 0x0f)), ['paper', 'opengfw', 'ndpi']);
  assert.deepEqual(flagged(after(0x17, 0x03, 0x10)), RULE_VARIANTS);
  assert.deepEqual(flagged(Buffer.concat([Buffer.from('GET '), noise(100)])), ['ndpi']);
  assert.deepEqual(flagged(Buffer.concat([Buffer.from('DEL'), noise(100)])), ['paper', 'artifact', 'ndpi']);
});

test('measures and margins are in the units of the rules', () => {
  assert.deepEqual(measurePacket(Buffer.concat([text(7), noise(1)])), {
    bitsPerByte: 4,
    printableAtStart: 7,
    printableShare: 7 / 8,
    printableRun: 7,
  });
  const { margins } = judgeFirstPacket(Buffer.concat([text(4), noise(6)]), 'paper');
  assert.ok(Math.abs(margins.popcount - -0.6) < 1e-9);
  assert.deepEqual(
    { ...margins, popcount: 0, mostlyPrintable: Math.round(margins.mostlyPrintable * 10) },
    {
      popcount: 0,
      firstPrintable: -2,
      mostlyPrintable: -1,
      printableRun: -17,
      protocol: false,
    },
  );
});

test('controls: uniform bytes are caught, the openings of known protocols pass', () => {
  const random = new SeededRandom(1);
  let caught = 0;
  for (let count = 0; count < 1000; count += 1) {
    if (flagged(random.bytes(150 + random.below(1450))).length === RULE_VARIANTS.length) caught += 1;
  }
  assert.ok(caught >= 990, `only ${caught} of 1,000 were caught`);
  for (const name of ['http', 'ssh']) {
    const opening = protocolOpenings().get(name) ?? Buffer.alloc(0);
    assert.deepEqual(flagged(opening), []);
    assert.ok(passesWithMargin(judgeFirstPacket(opening, 'paper')));
  }
  const hello = protocolOpenings().get('tls') ?? Buffer.alloc(0);
  for (const variant of ENGINES) assert.equal(judgeFirstPacket(hello, variant).isFlagged, false);
});

test('any bytes are judged, and no rule contradicts its margin', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...RULE_VARIANTS), (bytes, variant) => {
      const verdict = judgeFirstPacket(Buffer.from(bytes), variant);
      const { margins, exemptions } = verdict;
      assert.equal(exemptions.includes('popcount'), margins.popcount >= 0);
      assert.equal(exemptions.includes('first-printable'), margins.firstPrintable >= 0);
      assert.equal(exemptions.includes('printable-run'), margins.printableRun >= 0);
      if (passesWithMargin(verdict)) assert.equal(verdict.isFlagged, false);
    }),
  );
});
