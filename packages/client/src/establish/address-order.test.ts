import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import { AddressOrder, type CountedConn } from './address-order.ts';

class FakeConn extends EventEmitter implements CountedConn {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function order(
  options: {
    spread?: boolean;
    perAddress?: number;
    avoided?: string;
    places?: Record<string, number>;
    isCounted?: () => boolean;
  } = {},
) {
  const { spread = false, perAddress = 8, avoided, places = {}, isCounted = () => false } = options;
  const clock = new ManualClock();
  const given = {
    spread: () => spread,
    perAddress: () => perAddress,
    isAvoided: (address: string) => address === avoided,
    place: (address: string) => places[address] ?? 0,
    isCounted,
  };
  return { clock, order: new AddressOrder(clock, ['a', 'b', 'c'], given) };
}

describe('the order of addresses', () => {
  it('is that of the entry, until one has worked', async () => {
    const { clock, order: addresses } = order();
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
    addresses.noteWorked('c', new FakeConn());
    assert.deepEqual(addresses.get(), ['c', 'a', 'b']);
    await clock.advance(1);
    addresses.noteWorked('b', new FakeConn());
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
  });

  it('has one that failed behind the others for a while', async () => {
    const { clock, order: addresses } = order();
    addresses.noteWorked('a', new FakeConn());
    addresses.noteFailed('a');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    await clock.advance(30_000);
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
  });

  it('has those at which connections fell silent behind the others for a while, and takes turns between them', async () => {
    const { clock, order: addresses } = order();
    for (const address of ['a', 'b', 'c']) {
      await clock.advance(1000);
      addresses.noteWorked(address, new FakeConn());
      addresses.noteSilent(address);
    }
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
    await clock.advance(1000);
    addresses.noteSilent('a');
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    await clock.advance(60_000);
    assert.deepEqual(addresses.get(), ['c', 'b', 'a']);
  });

  it('has those at which carriers have died behind the others, where somebody counts what they carry', async () => {
    let isCounted = false;
    const { clock, order: addresses } = order({ spread: true, isCounted: () => isCounted });
    addresses.noteWorked('c', new FakeConn());
    addresses.noteDied('a');
    addresses.noteDied('b');
    assert.deepEqual(
      ['a', 'b', 'c'].map((address) => addresses.isSpared(address)),
      [false, false, true],
    );
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
    isCounted = true;
    assert.deepEqual(addresses.get(), ['c', 'a', 'b']);
    await clock.advance(3_600_000);
    assert.ok(addresses.isSpared('a'));
    assert.deepEqual(addresses.get(), ['a', 'b', 'c']);
  });

  it('has one that is avoided behind all that have room, and keeps to places until one has worked', () => {
    const { order: addresses } = order({ avoided: 'a', places: { b: 2, c: 1 } });
    assert.deepEqual(addresses.get(), ['c', 'b', 'a']);
    addresses.noteFailed('b');
    addresses.noteFailed('c');
    assert.equal(addresses.get()[2], 'a');
    addresses.noteWorked('b', new FakeConn());
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    addresses.noteWorked('a', new FakeConn());
    assert.equal(addresses.get()[2], 'a');
  });

  it('spreads connections where several are wanted, and takes note of those that close', () => {
    const { order: addresses } = order({ spread: true });
    const conn = new FakeConn();
    addresses.noteWorked('a', conn);
    assert.deepEqual(addresses.get(), ['b', 'c', 'a']);
    addresses.noteWorked('b', new FakeConn());
    addresses.noteWorked('c', new FakeConn());
    conn.emit('close');
    assert.equal(addresses.get()[0], 'a');
  });

  it('has those last that are full', () => {
    const { order: addresses } = order({ spread: true, perAddress: 1 });
    addresses.noteFailed('b');
    addresses.noteWorked('a', new FakeConn());
    addresses.noteWorked('c', new FakeConn());
    assert.equal(addresses.get()[0], 'b');
  });

  it('gives no more places than there are, and closes connections that only linger to have one, the oldest first', () => {
    const { order: addresses } = order();
    const conns = Array.from({ length: 6 }, () => new FakeConn());
    for (const conn of conns) addresses.noteWorked('a', conn);
    for (const index of [2, 4]) conns[index]?.emit('linger');
    const isClosed = () => conns.map(({ destroyed }) => destroyed);
    const leave = addresses.enter('a', 7);
    assert.ok(leave);
    assert.deepEqual(isClosed(), [false, false, false, false, false, false]);
    assert.ok(addresses.enter('a', 7));
    assert.deepEqual(isClosed(), [false, false, true, false, false, false]);
    // Those in use stay, and those that are being made count.
    assert.equal(addresses.enter('a', 5), null);
    leave();
    assert.ok(addresses.enter('a', 6));
    assert.deepEqual(isClosed(), [false, false, true, false, true, false]);
    conns[0]?.emit('close');
    assert.ok(addresses.enter('a', 6));
  });
});
