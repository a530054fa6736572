import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { flightShapeOf, lessPadding } from './flight-shape.ts';

const secretOf = (number: number): Buffer => createHash('sha256').update(`secret ${number}`).digest();

test('a shape follows from the secret alone, and is in bounds', () => {
  for (let number = 0; number < 2_000; number += 1) {
    const { client, relay, answerDelayMs } = flightShapeOf(secretOf(number));
    assert.deepEqual(flightShapeOf(secretOf(number)).client, client);
    const clientWidth = client.maxBytes - client.minBytes;
    assert.ok(client.minBytes >= 0 && client.maxBytes <= 1200 && clientWidth >= 300 && clientWidth <= 700);
    const relayWidth = relay.maxBytes - relay.minBytes;
    assert.ok(relay.minBytes >= 0 && relay.maxBytes <= 400 && relayWidth >= 100 && relayWidth <= 250);
    assert.ok(answerDelayMs >= 0 && answerDelayMs < 8);
  }
});

test("no length is common to all relays, and every length is some relay's", () => {
  const users = { client: new Array<number>(1201).fill(0), relay: new Array<number>(401).fill(0) };
  const count = 2_000;
  for (let number = 0; number < count; number += 1) {
    const shape = flightShapeOf(secretOf(number));
    for (const side of ['client', 'relay'] as const) {
      for (let bytes = shape[side].minBytes; bytes <= shape[side].maxBytes; bytes += 1) {
        users[side][bytes] = (users[side][bytes] ?? 0) + 1;
      }
    }
  }
  for (const side of ['client', 'relay'] as const) {
    assert.ok(Math.max(...users[side]) < count * 0.9, `${side}: ${Math.max(...users[side])}`);
    assert.ok(Math.min(...users[side].slice(1, -1)) > 0);
  }
});

// Computed from docs/spec/wire.md §3.9 by another program.
test('the vector: the secret 00 01 … 1f', () => {
  const shape = flightShapeOf(Buffer.from(Array.from({ length: 32 }, (_, index) => index)));
  assert.deepEqual(shape.client, { minBytes: 210, maxBytes: 574 });
  assert.deepEqual(shape.relay, { minBytes: 177, maxBytes: 307 });
  assert.equal(shape.answerDelayMs, 1.2025146484375);
});

test('a flight that carries another is padded so much less, and never always the same', () => {
  assert.deepEqual(lessPadding({ minBytes: 500, maxBytes: 900 }, 213), { minBytes: 287, maxBytes: 687 });
  assert.deepEqual(lessPadding({ minBytes: 100, maxBytes: 500 }, 213), { minBytes: 0, maxBytes: 287 });
  assert.deepEqual(lessPadding({ minBytes: 0, maxBytes: 300 }, 290), { minBytes: 0, maxBytes: 100 });
});
