import assert from 'node:assert/strict';
import type { SessionStream } from '../session-stream.ts';
import type { ClientSetup } from './client-setup.ts';

const TARGET = Buffer.from('target');
const PERIOD = 251;
const PATTERN = Buffer.from(Array.from({ length: 65_536 + PERIOD }, (_, index) => index % PERIOD));

/** From the relay to the client, or the other way. */
export type Direction = 'down' | 'up';

/** Writes the pattern for as long as it is taken. */
function pour(stream: SessionStream): void {
  let position = 0;
  const more = () => {
    for (let isTaken = true; isTaken && !stream.destroyed; ) {
      const start = position % PERIOD;
      position += 65_536;
      isTaken = stream.write(PATTERN.subarray(start, start + 65_536));
    }
  };
  stream.on('drain', more);
  more();
}

/** Compares what comes with the pattern; returns how much has come. */
function compare(stream: SessionStream): () => number {
  let position = 0;
  stream.on('data', (chunk: Buffer) => {
    for (let done = 0; done < chunk.length; done += 65_536) {
      const piece = chunk.subarray(done, done + 65_536);
      const start = (position + done) % PERIOD;
      assert.ok(piece.equals(PATTERN.subarray(start, start + piece.length)), `other bytes behind ${position}`);
    }
    position += chunk.length;
  });
  return () => position;
}

/** Starts transfers without end, every byte compared; returns how far each has come. */
export async function startBulk(setup: ClientSetup, directions: readonly Direction[]): Promise<(() => number)[]> {
  const counts: (() => number)[] = [];
  for (const direction of directions) {
    const stream = setup.client.session.openStream(TARGET);
    if (direction === 'up') pour(stream);
    else stream.write('go');
    let far: SessionStream | undefined;
    for (let before = setup.accepted.length; far === undefined; far = setup.accepted[before]) {
      await setup.clock.advance(100);
    }
    if (direction === 'down') {
      far.resume();
      pour(far);
    }
    counts.push(compare(direction === 'down' ? stream : far));
  }
  return counts;
}
