import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Piece, SendQueue } from './send-queue.ts';

type Step =
  | { readonly kind: 'push'; readonly length: number }
  | { readonly kind: 'end' }
  | { readonly kind: 'limit'; readonly more: number }
  | { readonly kind: 'take'; readonly maxBytes: number; readonly credit: number }
  | { readonly kind: 'lose'; readonly which: number }
  | { readonly kind: 'acknowledge'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 30 }).map((length): Step => ({ kind: 'push', length })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'end' }) },
  { weight: 3, arbitrary: fc.integer({ min: -20, max: 40 }).map((more): Step => ({ kind: 'limit', more })) },
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 25 }), fc.nat({ max: 30 }))
      .map(([maxBytes, credit]): Step => ({ kind: 'take', maxBytes, credit })),
  },
  { weight: 4, arbitrary: fc.nat({ max: 1000 }).map((which): Step => ({ kind: 'lose', which })) },
  { weight: 2, arbitrary: fc.nat({ max: 1000 }).map((which): Step => ({ kind: 'acknowledge', which })) },
);

/** Drives a queue and knows, byte by byte, what has to be true of it. */
class Driver {
  readonly queue = new SendQueue(50);
  pushed = Buffer.alloc(0);
  ended = false;
  readonly #inFlight: Piece[] = [];
  readonly #arrived: Piece[] = [];
  #limit = 50;
  #takenOnce = 0;
  #lostBytes = 0;

  play(one: Step): void {
    switch (one.kind) {
      case 'push':
        if (!this.ended) this.#push(one.length);
        return;
      case 'end':
        this.ended = true;
        this.queue.end();
        return;
      case 'limit':
        // A smaller one is an old message.
        this.queue.raiseLimit(this.#limit + one.more);
        this.#limit = Math.max(this.#limit, this.#limit + one.more);
        return;
      case 'take':
        this.take(one.maxBytes, one.credit);
        return;
      case 'lose':
        this.#settle(one.which, (piece) => {
          this.#lostBytes += piece.bytes.length;
          this.queue.requeue(piece);
        });
        return;
      case 'acknowledge':
        this.#settle(one.which, (piece) => this.#arrived.push(piece));
    }
  }

  #push(length: number): void {
    const bytes = Buffer.from(Array.from({ length }, (_, index) => (this.pushed.length + index) & 0xff));
    this.pushed = Buffer.concat([this.pushed, bytes]);
    this.queue.push(bytes);
  }

  #settle(which: number, act: (piece: Piece) => void): void {
    const [piece] = this.#inFlight.splice(which % Math.max(1, this.#inFlight.length), 1);
    if (piece !== undefined) act(piece);
  }

  take(maxBytes: number, credit: number): boolean {
    const hadWork = this.queue.hasWork(credit);
    const taken = this.queue.take(maxBytes, credit);
    assert.equal(taken !== null, hadWork, 'hasWork says what take gives');
    if (taken === null) return false;
    const { piece, fresh } = taken;
    const after = piece.offset + piece.bytes.length;
    assert.ok(piece.bytes.length <= maxBytes);
    assert.ok(fresh <= credit);
    assert.ok(after <= this.#limit, 'beyond the window');
    assert.deepEqual(piece.bytes, this.pushed.subarray(piece.offset, after));
    assert.ok(!piece.end || (this.ended && after === this.pushed.length), 'the end is not the last');
    if (fresh > 0) {
      assert.equal(piece.offset, this.#takenOnce);
      assert.equal(fresh, piece.bytes.length);
    } else this.#lostBytes -= piece.bytes.length;
    this.#takenOnce = Math.max(this.#takenOnce, after);
    this.#inFlight.push(piece);
    return true;
  }

  check(): void {
    assert.equal(this.queue.offset, this.#takenOnce);
    assert.equal(this.queue.pendingBytes, this.pushed.length - this.#takenOnce + this.#lostBytes);
  }

  /** Lets everything arrive, and looks at what did. */
  finish(): void {
    this.play({ kind: 'end' });
    this.play({ kind: 'limit', more: 10_000 });
    while (this.take(7, 100)) this.check();
    this.#arrived.push(...this.#inFlight);
    assert.equal(this.queue.pendingBytes, 0);
    const covered = Buffer.alloc(this.pushed.length);
    for (const { offset, bytes } of this.#arrived) covered.fill(1, offset, offset + bytes.length);
    assert.ok(
      covered.every((mark) => mark === 1),
      'bytes are missing',
    );
    const sum = this.#arrived.reduce((bytes, piece) => bytes + piece.bytes.length, 0);
    assert.equal(sum, this.pushed.length, 'bytes came twice though none was lost and delivered');
    assert.equal(this.#arrived.filter(({ end }) => end).length, 1, 'there is one end');
  }
}

describe('SendQueue', () => {
  it('delivers every byte and one end, whatever is lost and given back in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const driver = new Driver();
        for (const one of steps) {
          driver.play(one);
          driver.check();
        }
        driver.finish();
      }),
      { numRuns: 1000 },
    );
  });

  it('sends nothing but what was lost when there is no credit and no window', () => {
    const queue = new SendQueue(4);
    queue.push(Buffer.from('abcdef'));
    const first = queue.take(100, 3);
    assert.deepEqual(first, { piece: { offset: 0, bytes: Buffer.from('abc'), end: false }, fresh: 3 });
    assert.equal(queue.take(100, 0), null);
    queue.requeue({ offset: 0, bytes: Buffer.from('abc'), end: false });
    assert.deepEqual(queue.take(2, 0), { piece: { offset: 0, bytes: Buffer.from('ab'), end: false }, fresh: 0 });
    assert.deepEqual(queue.take(2, 0), { piece: { offset: 2, bytes: Buffer.from('c'), end: false }, fresh: 0 });
    assert.equal(queue.take(100, 100)?.piece.bytes.toString(), 'd');
    assert.equal(queue.take(100, 100), null);
    assert.equal(queue.hasWork(Number.POSITIVE_INFINITY), false);
  });

  it('tells the end without bytes, credit or window when nothing else is left', () => {
    const queue = new SendQueue(1);
    queue.push(Buffer.from('a'));
    queue.take(10, 10);
    assert.equal(queue.hasWork(0), false);
    queue.end();
    assert.deepEqual(queue.take(10, 0), { piece: { offset: 1, bytes: Buffer.alloc(0), end: true }, fresh: 0 });
    assert.equal(queue.take(10, 0), null);
    queue.requeue({ offset: 1, bytes: Buffer.alloc(0), end: true });
    assert.equal(queue.take(10, 0)?.piece.end, true);
  });

  it('forgets everything when told, and stays where it was', () => {
    const queue = new SendQueue(100);
    queue.push(Buffer.from('abc'));
    queue.take(2, 2);
    queue.requeue({ offset: 0, bytes: Buffer.from('ab'), end: false });
    queue.discard();
    assert.equal(queue.pendingBytes, 0);
    assert.equal(queue.offset, 2);
    assert.equal(queue.take(10, 10), null);
  });

  it('stays quick with many pieces', () => {
    const queue = new SendQueue(Number.MAX_SAFE_INTEGER);
    const piece = Buffer.alloc(1024);
    for (let index = 0; index < 100_000; index += 1) queue.push(piece);
    let taken = 0;
    while (queue.take(1024, 1024) !== null) taken += 1;
    assert.equal(taken, 100_000);
  });

  it('sends small pieces that had to wait together', () => {
    const queue = new SendQueue(Number.MAX_SAFE_INTEGER);
    for (let index = 0; index < 1000; index += 1) queue.push(Buffer.of(index & 0xff));
    assert.equal(queue.take(1400, 1400)?.piece.bytes.length, 1000);
  });
});
