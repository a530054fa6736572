import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { MAX_GAPS, Reassembly } from './reassembly.ts';

/** The byte that stands at an offset, so that every piece of the same stream agrees with every other. */
const byteAt = (offset: number): number => (offset * 31 + (offset >> 3)) & 0xff;
const piece = (offset: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => byteAt(offset + index)));

/** The same thing without thrift: every byte by itself. */
class NaiveTwin {
  readonly #bytes = new Map<number, number>();
  next = 0;
  highest = 0;
  final: number | null = null;

  #mayEnd(offset: number): boolean {
    return (this.final === null || this.final === offset) && offset >= this.highest;
  }

  setFinal(offset: number): boolean {
    if (!this.#mayEnd(offset)) return false;
    this.final = offset;
    this.highest = offset;
    return true;
  }

  /** What comes out, or null for a violation. */
  insert(offset: number, bytes: Buffer, end: boolean): Buffer | null {
    const after = offset + bytes.length;
    if (this.final !== null && after > this.final) return null;
    this.highest = Math.max(this.highest, after);
    if (end && !this.setFinal(after)) return null;
    bytes.forEach((byte, index) => {
      if (!this.#bytes.has(offset + index)) this.#bytes.set(offset + index, byte);
    });
    const out: number[] = [];
    for (let byte = this.#bytes.get(this.next); byte !== undefined; byte = this.#bytes.get(this.next)) {
      out.push(byte);
      this.next += 1;
    }
    return Buffer.from(out);
  }
}

type Step =
  | { readonly kind: 'insert'; readonly offset: number; readonly length: number; readonly end: boolean }
  | { readonly kind: 'final'; readonly offset: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: insertStep(fc.constant(false)) },
  { weight: 1, arbitrary: insertStep(fc.constant(true)) },
  { weight: 1, arbitrary: fc.nat({ max: 120 }).map((offset): Step => ({ kind: 'final', offset })) },
);

function insertStep(end: fc.Arbitrary<boolean>): fc.Arbitrary<Step> {
  return fc
    .tuple(fc.nat({ max: 100 }), fc.nat({ max: 20 }), end)
    .map(([offset, length, isEnd]) => ({ kind: 'insert', offset, length, end: isEnd }));
}

function violation(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === 'violation';
}

/** Plays one step on both; false after a violation, which ends the session. */
function play(reassembly: Reassembly, twin: NaiveTwin, one: Step): boolean {
  if (one.kind === 'final') {
    const isAllowed = twin.setFinal(one.offset);
    if (isAllowed) reassembly.setFinal(one.offset);
    else assert.throws(() => reassembly.setFinal(one.offset), violation);
    return isAllowed;
  }
  const bytes = piece(one.offset, one.length);
  const expected = twin.insert(one.offset, bytes, one.end);
  if (expected === null) {
    assert.throws(() => reassembly.insert(one.offset, bytes, one.end), violation);
    return false;
  }
  assert.deepEqual(Buffer.concat(reassembly.insert(one.offset, bytes, one.end)), expected);
  return true;
}

describe('Reassembly', () => {
  it('does what a naive twin does, with overlaps, repetitions and ends', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const reassembly = new Reassembly();
        const twin = new NaiveTwin();
        for (const one of steps) {
          if (!play(reassembly, twin, one)) return;
          assert.equal(reassembly.next, twin.next);
          assert.equal(reassembly.highest, twin.highest);
          assert.equal(reassembly.final, twin.final);
          assert.equal(reassembly.complete, twin.final !== null && twin.next === twin.final);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives a stream whole, however it was cut, repeated and shuffled', () => {
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 30 });
    fc.assert(
      fc.property(cuts, fc.infiniteStream(fc.nat({ max: 1000 })), (points, keys) => {
        const edges = [0, ...points, 400].sort((a, b) => a - b);
        const runs = edges.slice(1).map((after, index) => ({ offset: edges[index] ?? 0, after }));
        const order = [...runs, ...runs]
          .map((run) => ({ run, key: keys.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key);
        const reassembly = new Reassembly();
        const out = order.flatMap(({ run }) =>
          reassembly.insert(run.offset, piece(run.offset, run.after - run.offset), run.after === 400),
        );
        assert.deepEqual(Buffer.concat(out), piece(0, 400));
        assert.ok(reassembly.complete);
      }),
    );
  });

  it('keeps what it has, and not what contradicts it', () => {
    const reassembly = new Reassembly();
    assert.deepEqual(reassembly.insert(2, Buffer.from('cd'), false), []);
    assert.deepEqual(reassembly.insert(1, Buffer.from('BCDE'), false), []);
    assert.equal(Buffer.concat(reassembly.insert(0, Buffer.from('a'), false)).toString(), 'aBcdE');
    assert.deepEqual(reassembly.insert(0, Buffer.from('AB'), false), []);
  });

  it('refuses an end that moves, and bytes behind it', () => {
    const reassembly = new Reassembly();
    reassembly.insert(0, Buffer.from('abc'), true);
    reassembly.insert(0, Buffer.from('abc'), true);
    reassembly.setFinal(3);
    assert.throws(() => reassembly.setFinal(4), violation);
    assert.throws(() => reassembly.insert(0, Buffer.from('ab'), true), violation);
    assert.throws(() => reassembly.insert(3, Buffer.from('d'), false), violation);
    assert.throws(() => {
      const other = new Reassembly();
      other.insert(5, Buffer.from('x'), false);
      other.setFinal(5);
    }, violation);
  });

  it('holds a bounded number of runs', () => {
    const reassembly = new Reassembly();
    for (let run = 1; run <= MAX_GAPS; run += 1) reassembly.insert(2 * run, Buffer.of(0), false);
    assert.throws(() => reassembly.insert(2 * MAX_GAPS + 2, Buffer.of(0), false), violation);
  });

  it('takes a whole window behind one missing byte, in whatever pieces', () => {
    for (const size of [1, 700, 1025, 1370, 2049]) {
      const windowBytes = size === 1 ? 100_000 : 28 * 1024 * 1024;
      const reassembly = new Reassembly();
      const piece = Buffer.alloc(size);
      for (let offset = 1; offset + size <= windowBytes; offset += size) reassembly.insert(offset, piece, false);
      assert.ok(reassembly.heldRuns <= MAX_GAPS);
    }
  });

  it('puts small runs behind a gap together', () => {
    const reassembly = new Reassembly();
    for (let offset = 1; offset < 100_000; offset += 1) reassembly.insert(offset, Buffer.of(offset & 0xff), false);
    assert.ok(reassembly.heldRuns < 100);
    const out = Buffer.concat(reassembly.insert(0, Buffer.of(0), false));
    assert.equal(out.length, 100_000);
    assert.ok(out.every((byte, offset) => byte === (offset & 0xff)));
    assert.equal(reassembly.heldRuns, 0);
  });

  it('finds its way among many runs without looking at each', () => {
    const reassembly = new Reassembly();
    for (let run = 1; run < MAX_GAPS; run += 1) reassembly.insert(2 * run, Buffer.of(0), false);
    const startMs = performance.now();
    for (let count = 0; count < 200_000; count += 1) reassembly.insert(2, Buffer.of(0), false);
    // Looking at each takes some 5 seconds.
    assert.ok(performance.now() - startMs < 2000);
  });

  it('only counts when nobody will read', () => {
    const reassembly = new Reassembly();
    reassembly.insert(5, Buffer.from('later'), false);
    reassembly.discard();
    assert.deepEqual(reassembly.insert(0, Buffer.from('first'), false), []);
    reassembly.insert(20, Buffer.from('end'), true);
    assert.equal(reassembly.highest, 23);
    assert.equal(reassembly.final, 23);
    assert.throws(() => reassembly.insert(23, Buffer.from('x'), false), violation);
  });
});
