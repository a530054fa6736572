import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';

/** How a connection ended as its owner saw it. */
export interface Ending {
  readonly kind: 'end' | 'error' | 'close';
  readonly error?: Error;
}

/** The first of: a clean end, an error, a close without either. Also reads and drops what comes. */
export function endingOf(conn: Duplex): Promise<Ending> {
  return new Promise((resolve) => {
    conn.once('end', () => resolve({ kind: 'end' }));
    conn.once('error', (error: Error) => resolve({ kind: 'error', error }));
    conn.once('close', () => resolve({ kind: 'close' }));
    conn.resume();
  });
}

/** All bytes up to a clean end. Rejects if there is none. */
export async function readAll(conn: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await drain(conn, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks);
}

/** The SHA-256 of all bytes up to a clean end, in hexadecimal. Rejects if there is none. */
export async function hashAll(conn: Duplex): Promise<string> {
  const hash = createHash('sha256');
  await drain(conn, (chunk) => hash.update(chunk));
  return hash.digest('hex');
}

/** Exactly `count` bytes; what comes behind them stays unread. Rejects if the connection ends before. */
export function readExactly(conn: Duplex, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void) => {
      conn.off('readable', take).off('end', onEnd).off('error', onError);
      act();
    };
    const take = () => {
      const bytes: Buffer | null = conn.read(count);
      if (bytes === null) return;
      finish(() => (bytes.length === count ? resolve(bytes) : reject(new Error('the connection ended too early'))));
    };
    const onEnd = () => finish(() => reject(new Error('the connection ended too early')));
    const onError = (error: Error) => finish(() => reject(error));
    conn.on('readable', take).on('end', onEnd).on('error', onError);
    take();
  });
}

/** Writes `chunk` `times` times as fast as the reader allows, ends, and gives the SHA-256 of what was written. */
export async function writeRepeatedly(conn: Duplex, chunk: Buffer, times: number): Promise<string> {
  const hash = createHash('sha256');
  for (let count = 0; count < times; count++) {
    hash.update(chunk);
    if (!conn.write(chunk)) await once(conn, 'drain');
  }
  conn.end();
  return hash.digest('hex');
}

function drain(conn: Duplex, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    conn.on('data', onChunk);
    conn.once('end', resolve);
    conn.once('error', reject);
    conn.once('close', () => reject(new Error('the connection closed without an end')));
  });
}
