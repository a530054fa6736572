import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { startClientHandshake } from '@rozan/protocol';
import { testUniformity } from '@rozan/protocol/testing';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { MarkMemory } from '../mark-memory.ts';
import type { Framing } from './framing.ts';
import { ChunkedFramer, ChunkedUnframer } from './http/chunked.ts';
import { MARK_BYTES, makeMark, markFits, tagOf } from './mark.ts';
import { RecordFramer, RecordUnframer } from './tls/records.ts';

const KEY = Buffer.alloc(32, 1);
const random = new SeededRandom(21);
const draw = (count: number): Buffer => random.bytes(count);

/** What the other side takes out of what this one sends first. */
function throughFraming({ framer, unframer }: Framing, bytes: Buffer): Buffer {
  const got: Buffer[] = [];
  for (const piece of framer.frame(bytes)) unframer.push(piece, (content) => got.push(Buffer.from(content)));
  return Buffer.concat(got);
}

test('20,000 first flights, and the marks and tags before them, are uniform at every byte position behind each prefix', () => {
  const { publicKey } = generateKeyPairSync('x25519');
  const relayPublicKey = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const seen: { http: Buffer[]; tls: Buffer[] } = { http: [], tls: [] };
  for (let index = 0; index < 20_000; index += 1) {
    const { flight } = startClientHandshake({
      relayPublicKey,
      accessSecret: KEY,
      attach: { kind: 'new' },
      stampMs: 1_700_000_000_000,
      synced: index % 2 === 0,
      paddingBytes: index % 300,
      random: draw,
    });
    const http: Framing = { framer: new ChunkedFramer(() => Buffer.alloc(0)), unframer: new ChunkedUnframer() };
    const before = { changesCipherSpec: false, records: 0 };
    const framer = new RecordFramer(draw, () => Buffer.alloc(0));
    const tls: Framing = { framer, unframer: new RecordUnframer(before) };
    seen.http.push(Buffer.concat([makeMark(KEY, random), throughFraming(http, flight)]));
    seen.tls.push(Buffer.concat([tagOf(KEY, draw(32), 32), throughFraming(tls, flight)]));
    assert.ok(seen.http.at(-1)?.subarray(MARK_BYTES).equals(flight));
  }
  for (const samples of Object.values(seen)) {
    const { worstPositionTail, pooledTail } = testUniformity(samples);
    assert.ok(worstPositionTail > 1e-6, `worst position ${worstPositionTail}`);
    assert.ok(pooledTail > 1e-6, `pooled ${pooledTail}`);
  }
});

test('a mark fits its key only, and whole', () => {
  const mark = makeMark(KEY, random);
  assert.equal(markFits(KEY, mark), true);
  assert.equal(markFits(Buffer.alloc(32, 2), mark), false);
  assert.equal(markFits(KEY, mark.subarray(1)), false);
  assert.equal(markFits(KEY, Buffer.alloc(0)), false);
});

test('a mark is fresh once, until many others have been shown', () => {
  const memory = new MarkMemory(3);
  const [first = KEY, ...others] = Array.from({ length: 4 }, () => makeMark(KEY, random));
  assert.equal(memory.isFresh(first), true);
  assert.equal(memory.isFresh(first), false);
  for (const mark of others) assert.equal(memory.isFresh(mark), true);
  assert.equal(memory.isFresh(first), true, 'forgotten, the oldest first');
});
