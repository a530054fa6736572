import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { SESSION_PENDING_BYTES, SESSION_WINDOW, STREAM_WINDOW } from '../limits.ts';
import { readAll } from '../testing/stream-helpers.ts';
import { StreamResetError } from './stream-reset-error.ts';
import { createSessionPair, type SessionPair } from './testing/session-pair.ts';

const TARGET = Buffer.from('target');

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Lets time pass until `done` has settled. */
async function runUntil<T>(pair: SessionPair, done: Promise<T>, stepMs = 20): Promise<T> {
  let settled = false;
  done.then(
    () => (settled = true),
    () => (settled = true),
  );
  for (let step = 0; step < 20_000 && !settled; step += 1) await pair.clock.advance(stepMs);
  assert.ok(settled, 'it goes on for ever');
  return done;
}

/** An echo at the relay's end for every stream. */
function echo(pair: SessionPair): () => void {
  let served = 0;
  return () => {
    for (const { stream } of pair.accepted.slice(served)) {
      served += 1;
      stream.on('error', () => {});
      stream.pipe(stream);
    }
  };
}

describe('a session', () => {
  it('carries bytes both ways with half-close', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const stream = pair.client.openStream(TARGET);
    stream.end('question');
    await pair.clock.settle();
    const [opened] = pair.accepted;
    assert.ok(opened !== undefined);
    assert.deepEqual(opened.target, TARGET);
    pair.relay.sendOpened(opened.stream);
    assert.equal((await runUntil(pair, readAll(opened.stream))).toString(), 'question');
    opened.stream.end('answer');
    await runUntil(pair, stream.opened);
    assert.equal((await runUntil(pair, readAll(stream))).toString(), 'answer');
    await pair.clock.advance(1000);
    assert.equal(pair.client.streamCount, 0);
    assert.equal(pair.relay.streamCount, 0);
    assert.equal(pair.client.heldBytes, 0);
  });

  for (const kind of ['rst', 'fin', 'stall'] as const) {
    it(`goes on at the last byte when carriers are cut by ${kind}`, async () => {
      const pair = await createSessionPair({ latencyMs: 5 });
      const serve = echo(pair);
      const data = randomBytes(3_000_000);
      await pair.attach();
      const stream = pair.client.openStream(TARGET);
      stream.end(data);
      const result = readAll(stream);
      let settled = false;
      result.then(() => (settled = true));
      for (let round = 0; round < 400 && !settled; round += 1) {
        await pair.clock.advance(30);
        serve();
        if (round % 3 !== 2) continue;
        pair.network.cutAll(kind);
        await pair.clock.advance(10);
        const old = pair.client.carriers;
        await pair.attach();
        for (const carrier of old) pair.client.giveUp(carrier);
      }
      assert.equal(sha256(await runUntil(pair, result)), sha256(data));
      await pair.clock.advance(1000);
      assert.equal(pair.client.streamCount, 0);
      assert.equal(pair.relay.streamCount, 0);
      assert.equal(pair.relay.heldBytes, 0);
    });
  }

  it('loses nothing while there is no carrier', async () => {
    const pair = await createSessionPair();
    const stream = pair.client.openStream(TARGET);
    stream.end('patience');
    await pair.clock.advance(60_000);
    await pair.attach();
    await pair.clock.settle();
    const [opened] = pair.accepted;
    assert.equal((await runUntil(pair, readAll(opened?.stream ?? stream))).toString(), 'patience');
  });

  it('tells the other end of a reset, typed, and forgets the stream', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const stream = pair.client.openStream(TARGET);
    stream.write('x');
    await pair.clock.settle();
    const failed = new Promise<unknown>((resolve) => stream.on('error', resolve));
    pair.accepted[0]?.stream.reset('refused');
    const error = await runUntil(pair, failed);
    assert.ok(error instanceof StreamResetError);
    assert.equal(error.resetCode, 'refused');
    await assert.rejects(stream.opened, StreamResetError);
    await pair.clock.advance(1000);
    assert.equal(pair.client.streamCount, 0);
    assert.equal(pair.relay.streamCount, 0);
  });

  it('stops a writer whose peer does not read, and no other', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const slow = pair.client.openStream(TARGET);
    const quick = pair.client.openStream(TARGET);
    let written = 0;
    const fill = () => {
      while (written < 50_000_000) {
        written += 65_536;
        if (!slow.write(Buffer.alloc(65_536))) return;
      }
    };
    slow.on('drain', fill);
    fill();
    await pair.clock.advance(2000);
    assert.ok(written < 2_000_000, `${written} bytes were taken without a reader`);
    quick.end('through');
    await pair.clock.advance(100);
    assert.equal((await runUntil(pair, readAll(pair.accepted[1]?.stream ?? quick))).toString(), 'through');
  });

  it('replaces a carrier without losing it: both ends retire it', async () => {
    const pair = await createSessionPair({ latencyMs: 5 });
    const serve = echo(pair);
    const data = randomBytes(2_000_000);
    let carrier = await pair.attach();
    const stream = pair.client.openStream(TARGET);
    stream.end(data);
    const result = readAll(stream);
    for (let round = 0; round < 6; round += 1) {
      await pair.clock.advance(40);
      serve();
      const next = await pair.attach();
      pair.client.retire(carrier);
      carrier = next;
    }
    assert.equal(sha256(await runUntil(pair, result)), sha256(data));
    await pair.clock.advance(5000);
    assert.deepEqual([...new Set(pair.lost.map(({ cause }) => cause))], ['retired']);
    assert.equal(pair.client.carriers.length, 1);
    assert.equal(pair.relay.carriers.length, 1);
  });

  it('takes no more from applications than its bounds, with streams that nobody reads and with no carrier', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const streams = Array.from({ length: 40 }, () => pair.client.openStream(TARGET));
    for (const stream of streams) {
      const fill = () => {
        while (stream.write(Buffer.alloc(16_384))) {}
      };
      stream.on('drain', fill);
      fill();
    }
    await pair.clock.advance(10_000);
    const buffers = streams.reduce((sum, stream) => sum + stream.writableLength, 0);
    const mostUnread = streams.length * STREAM_WINDOW.initialBytes;
    assert.ok(pair.relay.heldBytes <= mostUnread, `${pair.relay.heldBytes} bytes at the relay`);
    const mostHeld = SESSION_PENDING_BYTES + streams.length * 16_384;
    assert.ok(pair.client.heldBytes <= mostHeld, `${pair.client.heldBytes} bytes at the client`);
    assert.ok(buffers <= streams.length * 100_000, `${buffers} bytes in the streams' own buffers`);
    pair.network.cutAll('rst');
    await pair.clock.advance(10_000);
    const whole = mostUnread + mostHeld;
    assert.ok(pair.client.heldBytes <= whole, `${pair.client.heldBytes} bytes with no carrier`);
  });

  it('keeps room for others beside many streams that nobody reads', async () => {
    const pair = await createSessionPair({ latencyMs: 50 });
    await pair.attach();
    const stalled = SESSION_WINDOW.maxBytes / STREAM_WINDOW.initialBytes / 2;
    for (let count = 0; count < stalled; count += 1) pair.client.openStream(TARGET);
    await pair.clock.advance(1000);
    for (const { stream } of pair.accepted) stream.write(Buffer.alloc(2 * STREAM_WINDOW.initialBytes));
    await pair.clock.advance(20_000);
    assert.equal(pair.client.heldBytes, stalled * STREAM_WINDOW.initialBytes);
    const other = pair.client.openStream(TARGET);
    await pair.clock.advance(1000);
    pair.accepted.at(-1)?.stream.end(Buffer.alloc(100_000));
    assert.equal((await runUntil(pair, readAll(other))).length, 100_000);
  });

  it('begins a stream with what earlier ones have shown the path to hold', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const open = async (bytes: number) => {
      const stream = pair.client.openStream(TARGET);
      await pair.clock.advance(10);
      pair.accepted.at(-1)?.stream.end(Buffer.alloc(bytes));
      return stream;
    };
    // What comes of a stream that nobody reads is what its window was at first.
    const unread = async () => {
      const before = pair.client.heldBytes;
      await open(8 * 2 ** 20);
      await pair.clock.advance(1000);
      return pair.client.heldBytes - before;
    };
    assert.ok((await unread()) <= STREAM_WINDOW.initialBytes);
    await runUntil(pair, readAll(await open(8_000_000)));
    const firstBytes = await unread();
    assert.ok(firstBytes >= 4 * STREAM_WINDOW.initialBytes, `${firstBytes} bytes`);
    for (let count = 0; count < 4; count += 1) await unread();
    assert.equal((await runUntil(pair, readAll(await open(8_000_000)))).length, 8_000_000);
  });

  it('keeps room for others beside readers that stop after a quick start', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const streams = Array.from({ length: 3 }, () => pair.client.openStream(TARGET));
    await pair.clock.advance(10);
    for (const { stream } of pair.accepted) stream.write(Buffer.alloc(64 * 2 ** 20));
    for (const stream of streams) {
      let read = 0;
      stream.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read > 20 * 2 ** 20) stream.pause();
      });
      await pair.clock.advance(1000);
    }
    assert.ok(pair.client.heldBytes > 2 * STREAM_WINDOW.initialBytes * streams.length, 'no window has grown');
    const other = pair.client.openStream(TARGET);
    await pair.clock.advance(10);
    pair.accepted.at(-1)?.stream.end(Buffer.alloc(100_000));
    assert.equal((await runUntil(pair, readAll(other))).length, 100_000);
  });

  it('answers every write of a stream that is reset while it waits for a carrier', async () => {
    const pair = await createSessionPair();
    const stream = pair.client.openStream(TARGET);
    const answers: string[] = [];
    for (const name of ['first', 'second']) stream.write(name, () => answers.push(name));
    await pair.clock.advance(10);
    assert.deepEqual(answers, []);
    stream.reset('cancelled');
    await pair.clock.advance(10);
    assert.deepEqual(answers, ['first', 'second']);
  });

  it('leaks no credit: after hundreds of streams reset in the middle, a large transfer still goes through', async () => {
    const pair = await createSessionPair({ latencyMs: 2 });
    await pair.attach();
    let served = 0;
    const serve = () => {
      for (const { stream } of pair.accepted.slice(served)) {
        served += 1;
        stream.on('error', () => {});
        stream.write(Buffer.alloc(50_000));
        if (served % 2 === 0) stream.resume();
      }
    };
    for (let count = 0; count < 200; count += 1) {
      const stream = pair.client.openStream(TARGET);
      stream.on('error', () => {});
      stream.write(Buffer.alloc(10_000 + 500 * count));
      if (count % 3 === 0) stream.resume();
      await pair.clock.advance(count % 7);
      serve();
      if (count % 10 === 9) {
        pair.network.cutAll('rst');
        await pair.clock.advance(5);
        await pair.attach();
      }
      if (count % 2 === 0) stream.reset('cancelled');
      else pair.accepted[count]?.stream.reset('connection-reset');
      if (count % 5 === 0) stream.destroy();
    }
    await pair.clock.advance(5);
    for (const { stream } of pair.accepted.slice()) stream.reset('cancelled');
    for (let round = 0; round < 100 && pair.client.streamCount > 0; round += 1) await pair.clock.advance(100);
    assert.deepEqual([pair.client.streamCount, pair.relay.streamCount], [0, 0]);
    assert.deepEqual([pair.client.heldBytes, pair.relay.heldBytes], [0, 0]);

    const data = randomBytes(8_000_000);
    const stream = pair.client.openStream(TARGET);
    stream.end(data);
    await pair.clock.advance(20);
    const far = pair.accepted.at(-1)?.stream;
    assert.ok(far !== undefined && far.id === stream.id);
    far.pipe(far);
    assert.equal(sha256(await runUntil(pair, readAll(stream))), sha256(data));
  });

  it('sorts out carriers of which one was lost with the word of the loss of another', async () => {
    const pair = await createSessionPair();
    for (let count = 0; count < 3; count += 1) await pair.attach();
    const [, , newest] = pair.client.carriers;
    assert.ok(newest !== undefined);
    // The relay goes on using the newest, and hears of its loss only over a carrier that dies with the message.
    pair.network.connections[1]?.cut('rst');
    pair.client.giveUp(newest);
    await pair.clock.settle();
    for (const carrier of pair.client.carriers) pair.client.giveUp(carrier);
    await pair.attach();
    await pair.clock.advance(1000);
    assert.deepEqual([pair.client.heldBytes, pair.relay.heldBytes], [0, 0]);
    assert.deepEqual([pair.client.carriers.length, pair.relay.carriers.length], [1, 1]);
  });

  it('ends its streams with an error when it is closed', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const stream = pair.client.openStream(TARGET);
    stream.write('x');
    await pair.clock.settle();
    const failed = new Promise<unknown>((resolve) => stream.on('error', resolve));
    pair.accepted[0]?.stream.on('error', () => {});
    pair.relay.close('relay-shutdown');
    const error = await runUntil(pair, failed);
    assert.ok(error instanceof StreamResetError);
    assert.equal(error.resetCode, 'relay-shutdown');
    assert.ok(pair.client.closed);
  });
});
