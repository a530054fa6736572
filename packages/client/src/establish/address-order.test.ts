import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import { AddressOrder } from './address-order.ts';

function order(
  options: { spread?: boolean; perAddress?: number; avoided?: string; places?: Record<string, number> } = {},
) {
  const { spread = false, perAddress = 8, avoided, places = {} } = options;
  const clock = new ManualClock();
  const given = {
    spread: () => spread,
    perAddress: () => perAddress,
    isAvoided: (address: string) => address === avoided,
    place: (address: string) => places[address] ?? 0,
  };
  return { clock, order: new AddressOrder(clock, ['a', 'b', 'c'], given) };
}

describe('the order of addresses', () => {
  it('is that of the entry, until one has worked', async () => {
    const { clock, order: addresses } = order();
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
    addresses.noteWorked('c');
    assert.deepEqual(addresses.get(), ['c', 'a', 'b']);
    await clock.advance(1);
    addresses.noteWorked('b');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
  });

  it('has one that failed behind the others for a while', async () => {
    const { clock, order: addresses } = order();
    addresses.noteWorked('a');
    addresses.noteFailed('a');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    await clock.advance(30_000);
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
  });

  it('has one that is avoided behind all that have room, and keeps to places until one has worked', () => {
    const { order: addresses } = order({ avoided: 'a', places: { b: 2, c: 1 } });
    assert.deepEqual(addresses.get(), ['c', 'b', 'a']);
    addresses.noteFailed('b');
    addresses.noteFailed('c');
    assert.equal(addresses.get()[2], 'a');
    addresses.noteWorked('b');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    addresses.noteWorked('a');
    assert.equal(addresses.get()[2], 'a');
  });

  it('spreads connections where several are wanted, and takes note of those that close', () => {
    const { order: addresses } = order({ spread: true });
    const close = addresses.noteWorked('a');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    addresses.noteWorked('b');
    addresses.noteWorked('c');
    close();
    assert.equal(addresses.get()[0], 'a');
  });

  it('has those last that are full', () => {
    const { order: addresses } = order({ spread: true, perAddress: 1 });
    addresses.noteFailed('b');
    addresses.noteWorked('a');
    addresses.noteWorked('c');
    assert.equal(addresses.get()[0], 'b');
  });
});
