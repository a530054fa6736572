import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from './gate.ts';

test('a gate lets so many through, the rest in their order, and takes a place back once', async () => {
  const gate = new Gate(2);
  const order: number[] = [];
  const [first, second] = [await gate.enter(), await gate.enter()];
  const third = gate.enter().then((leave) => {
    order.push(3);
    return leave;
  });
  const fourth = gate.run(async () => order.push(4));
  first();
  first();
  const leaveThird = await third;
  assert.deepEqual(order, [3]);
  second();
  leaveThird();
  await fourth;
  assert.deepEqual(order, [3, 4]);
  await Promise.all([gate.enter(), gate.enter()]);
});

test('a place comes back when the work fails', async () => {
  const gate = new Gate(1);
  await assert.rejects(gate.run(() => Promise.reject(new Error('x'))));
  assert.equal(await gate.run(async () => 7), 7);
});
