import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OPENGFW_REGIONS } from './opengfw-regions.ts';
import { judgeByNdpi, judgeByOpenGfw, type Packet } from './tls-in-tls.ts';

/** Bursts of one packet each, in turn from the client on, with the packet that ends the last of them. */
function bursts(...sums: number[]): Packet[] {
  return [...sums, 100].map((bytes, index) => ({ from: index % 2 === 0 ? 'client' : 'server', bytes }));
}

/** The same after an outer TLS handshake, with what nDPI takes off each packet. */
function insideTls(packets: readonly Packet[]): Packet[] {
  return [
    { from: 'client', bytes: 517 },
    { from: 'server', bytes: 2000, isChangeCipherSpec: true },
    { from: 'client', bytes: 64, isChangeCipherSpec: true },
    ...packets.map((packet) => ({ ...packet, bytes: packet.bytes + 24 })),
  ];
}

test('nDPI: the means of its models are in the middle of its regions', () => {
  for (const sums of [
    [213, 4515, 108, 308],
    [641, 4649, 448, 1094],
    [1850, 4903, 785, 1051],
  ]) {
    const verdict = judgeByNdpi(bursts(...sums), 'unknown');
    assert.equal(verdict.isFlagged, true);
    assert.ok(verdict.margin < -2.9);
    assert.deepEqual(verdict.nearest, sums);
    assert.equal(judgeByNdpi(insideTls(bursts(...sums)), 'tls').isFlagged, true);
  }
});

test('nDPI: what keeps a connection out of its regions', () => {
  const hello = bursts(641, 4649, 448, 1094);
  assert.equal(
    judgeByNdpi(hello.slice(0, 4), 'unknown').margin,
    Number.POSITIVE_INFINITY,
    'no fifth burst, no judgement',
  );
  assert.equal(judgeByNdpi(hello.slice(1), 'unknown').margin, Number.POSITIVE_INFINITY, 'the server speaks first');
  const split: Packet[] = [1, 2, 3, 4].map(() => ({ from: 'client', bytes: 160 }));
  assert.equal(judgeByNdpi([...split, ...hello.slice(1)], 'unknown').isFlagged, false, 'a first burst of four packets');
  assert.equal(judgeByNdpi(bursts(641, 4649 + 8000, 448, 1094), 'unknown').isFlagged, false);
  const late = Array.from({ length: 22 }, (): Packet => ({ from: 'server', bytes: 40 }));
  assert.equal(
    judgeByNdpi([...bursts(300).slice(0, 1), ...late, ...hello], 'unknown').isFlagged,
    false,
    'beyond 25 packets',
  );
});

test('nDPI: a later set counts as well', () => {
  const verdict = judgeByNdpi([...bursts(900, 500).slice(0, 2), ...bursts(641, 4649, 448, 1094)], 'unknown');
  assert.equal(verdict.isFlagged, true);
  assert.deepEqual(verdict.nearest, [641, 4649, 448, 1094]);
});

test('OpenGFW: a Trojan connection by its sums, and the edges of a region', () => {
  const judge = (sums: readonly number[]) => judgeByOpenGfw(bursts(...sums), { fromStart: true });
  assert.deepEqual(judge([700, 3000, 100, 500]), { isFlagged: true, margin: 0, nearest: [700, 3000, 100, 500] });
  assert.equal(judge([700, 3000, 85, 500]).margin, 1);
  assert.equal(judge([100, 100, 100, 100]).isFlagged, false);
  assert.equal(judge([157, 100, 41, 185]).isFlagged, true);
  assert.equal(judge([156, 100, 41, 185]).margin, 1);
});

test("OpenGFW: it counts from the client's ChangeCipherSpec, which is part of the first sum", () => {
  const inner = bursts(700 - 64, 3000, 100, 500);
  const [first, ...rest] = inner;
  assert.ok(first);
  const outer: Packet[] = [
    { from: 'client', bytes: 517 },
    { from: 'server', bytes: 2000, isChangeCipherSpec: true },
    { from: 'client', bytes: 64, isChangeCipherSpec: true },
  ];
  assert.deepEqual(judgeByOpenGfw([...outer, first, ...rest], { fromStart: false }).nearest, [700, 3000, 100, 500]);
  assert.equal(judgeByOpenGfw(inner, { fromStart: false }).margin, Number.POSITIVE_INFINITY);
});

test('OpenGFW: the regions do not overlap, and none is empty', () => {
  for (const [index, region] of OPENGFW_REGIONS.entries()) {
    for (const [least, most] of region) assert.ok(least <= most);
    for (const other of OPENGFW_REGIONS.slice(index + 1)) {
      const overlaps = region.every(([least, most], place) => {
        const [otherLeast, otherMost] = other[place] ?? [0, 0];
        return least <= otherMost && otherLeast <= most;
      });
      assert.equal(overlaps, false, `${JSON.stringify(region)} and ${JSON.stringify(other)}`);
    }
  }
});

test('any packets are judged', () => {
  const packet = fc.record({
    from: fc.constantFrom('client' as const, 'server' as const),
    bytes: fc.nat({ max: 70_000 }),
    isChangeCipherSpec: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
      for (const verdict of [
        judgeByNdpi(packets, 'tls'),
        judgeByNdpi(packets, 'unknown'),
        judgeByOpenGfw(packets, { fromStart: true }),
        judgeByOpenGfw(packets, { fromStart: false }),
      ]) {
        assert.equal(verdict.isFlagged, verdict.margin <= 0);
        assert.equal(verdict.nearest === null, verdict.margin === Number.POSITIVE_INFINITY && verdict.nearest === null);
      }
    }),
  );
});
