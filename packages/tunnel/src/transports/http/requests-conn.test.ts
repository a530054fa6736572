import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestsConn } from './requests-conn.ts';

/** A connection over requests of which the test says when they take something. */
function createConn(messageBytes: number) {
  const taken: Buffer[] = [];
  let waitingBytes = 0;
  const state = { messageBytes };
  const conn = new RequestsConn({
    write: (chunks) => {
      for (const chunk of chunks) {
        taken.push(chunk);
        waitingBytes += chunk.length;
      }
    },
    roomBytes: () => state.messageBytes - waitingBytes,
    end: () => {},
    endArrived: () => false,
    consumed: () => {},
    reading: () => {},
    released: () => {},
  });
  const send = (bytes: number) => {
    waitingBytes -= bytes;
    conn.progress();
  };
  return { conn, taken, state, send };
}

test('it says how much it takes, and tells when it takes more', async () => {
  const { conn, taken, send } = createConn(100);
  assert.equal(conn.roomBytes, 100);
  conn.write(Buffer.alloc(60));
  assert.equal(conn.roomBytes, 40);
  assert.equal(conn.writableLength, 0);
  conn.write(Buffer.alloc(60));
  assert.ok(conn.writableLength > conn.roomBytes, 'nothing more is to be written');
  conn.write(Buffer.alloc(10));
  assert.equal(taken.length, 2, 'what comes all the same waits');
  const drained = once(conn, 'drain');
  send(60);
  await drained;
  assert.equal(taken.length, 3);
  assert.ok(conn.writableLength < conn.roomBytes);
});

test('a writer that found no room because messages have become smaller hears of it', async () => {
  const { conn, state, send } = createConn(100);
  conn.write(Buffer.alloc(60));
  state.messageBytes = 50;
  assert.ok(conn.roomBytes <= 0);
  const drained = once(conn, 'drain');
  send(60);
  await drained;
  assert.equal(conn.roomBytes, 50);
});
