import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { idsHeld, idsToAdd, idsToRemove, LOOKUP_AHEAD, LookupCounter, lookupId, lookupKeyOf } from './lookup.ts';

const lookupKey = lookupKeyOf(Buffer.alloc(32, 5));

/** The relay's table for one session. */
class Table {
  readonly ids = new Map<string, number>();
  #accepted: number | null = null;

  constructor() {
    this.move(0);
  }

  move(accepted: number): void {
    const change = { previous: this.#accepted, accepted: Math.max(accepted, this.#accepted ?? 0) };
    for (const { id, counter } of idsToAdd(lookupKey, change)) this.ids.set(id.toString('hex'), counter);
    for (const { id } of idsToRemove(lookupKey, change)) assert.ok(this.ids.delete(id.toString('hex')));
    this.#accepted = change.accepted;
    const held = idsHeld(lookupKey, change.accepted).map(({ id }) => id.toString('hex'));
    assert.deepEqual([...this.ids.keys()].sort(), held.sort());
  }

  find(counter: number): boolean {
    return this.ids.get(lookupId(lookupKey, counter).toString('hex')) === counter;
  }
}

test('ids differ by counter and by key', () => {
  assert.equal(lookupId(lookupKey, 1).length, 16);
  assert.notDeepEqual(lookupId(lookupKey, 1), lookupId(lookupKey, 2));
  assert.notDeepEqual(lookupId(lookupKey, 1), lookupId(lookupKeyOf(Buffer.alloc(32, 6)), 1));
});

test('a counter is used once while any is left, then again from behind the confirmed one', () => {
  const counter = new LookupCounter();
  const taken = Array.from({ length: LOOKUP_AHEAD + 2 }, () => counter.take());
  assert.deepEqual(
    taken.slice(0, LOOKUP_AHEAD),
    Array.from({ length: LOOKUP_AHEAD }, (_, i) => i + 1),
  );
  assert.deepEqual(taken.slice(LOOKUP_AHEAD), [1, 2]);
  counter.confirm(2);
  assert.equal(counter.take(), LOOKUP_AHEAD + 1, 'an unused one, once there is one again');
  counter.confirm(1);
  assert.deepEqual(counter.state, { confirmed: 2, highest: LOOKUP_AHEAD + 1 });
  assert.equal(new LookupCounter(counter.state).take(), LOOKUP_AHEAD + 2);
});

test('whatever gets lost, the client never leaves the relay’s window', () => {
  // Each step: a flight is sent; it is lost, or accepted and the reply lost, or the reply arrives, at once or after some more steps.
  const steps = fc.array(
    fc.record({ arrives: fc.boolean(), replied: fc.boolean(), lateBy: fc.integer({ min: 0, max: LOOKUP_AHEAD - 1 }) }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (list) => {
      const counter = new LookupCounter();
      const table = new Table();
      const pending: { due: number; taken: number; replied: boolean }[] = [];
      for (const [time, { arrives, replied, lateBy }] of list.entries()) {
        const taken = counter.take();
        if (arrives) pending.push({ due: time + lateBy, taken, replied });
        for (const flight of pending.filter(({ due }) => due === time)) {
          assert.ok(table.find(flight.taken), `counter ${flight.taken}`);
          table.move(flight.taken);
          if (flight.replied) counter.confirm(flight.taken);
        }
      }
    }),
  );
});
