import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { BORROWED_PIECE_BYTES } from '../limits.ts';
import { createSessionPair } from './testing/session-pair.ts';

const ROUNDS = 40;

test('memory that goes round while pieces are acknowledged, lost and sent again changes no byte', async () => {
  const pair = await createSessionPair({ latencyMs: 5, bytesPerMs: 20_000 });
  await pair.attach();
  const far = pair.client.openStream(Buffer.from('target'));
  far.write('go');
  await pair.clock.advance(50);
  const stream = pair.accepted[0]?.stream;
  assert.ok(stream !== undefined);
  const sent = createHash('sha256');
  const received = createHash('sha256');
  let receivedBytes = 0;
  far.on('data', (chunk: Buffer) => {
    received.update(chunk);
    receivedBytes += chunk.length;
    far.releaseRead(chunk);
  });
  // One buffer for all, as that of a network is.
  const lent = Buffer.alloc(3 * BORROWED_PIECE_BYTES + 1000);
  let rounds = 0;
  const pour = () => {
    for (let isTaken = true; isTaken && rounds < ROUNDS; rounds += 1) {
      for (let offset = 0; offset < lent.length; offset += 4) lent.writeUInt32LE(rounds * 0x0100_0000 + offset, offset);
      sent.update(lent);
      isTaken = stream.writeBorrowed(lent);
    }
  };
  stream.on('drain', pour);
  pour();
  for (let step = 0; step < 3000 && receivedBytes < ROUNDS * lent.length; step += 1) {
    await pair.clock.advance(10);
    if (step % 40 !== 39) continue;
    pair.network.cutAll('rst');
    await pair.attach();
  }
  assert.equal(receivedBytes, ROUNDS * lent.length);
  assert.equal(received.digest('hex'), sent.digest('hex'));
});
