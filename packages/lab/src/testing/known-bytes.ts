import { createCipheriv } from 'node:crypto';
import type { Conn, Network, SocketAddress } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';

/** A prime, so that lost, repeated or mixed-up data lands at another phase and is seen. */
const PERIOD = 1_048_583;
const PIECE_BYTES = 64 * 1024;
const key = Buffer.alloc(16, 0x33);
const period = createCipheriv('aes-128-ctr', key, key).update(Buffer.alloc(PERIOD));
/** Long enough for a piece from anywhere in the period. */
const block = Buffer.concat([period, period.subarray(0, PIECE_BYTES)]);

/** Up to 64 KiB of an endless sequence that both ends know, from `position`; a view. */
export function knownBytes(position: number, count: number): Buffer {
  const start = position % PERIOD;
  return block.subarray(start, start + Math.min(count, PIECE_BYTES));
}

/** Whether every byte of `chunk` is what the sequence has from `position`. */
export function areKnown(position: number, chunk: Buffer): boolean {
  for (let done = 0; done < chunk.length; done += PIECE_BYTES) {
    const piece = chunk.subarray(done, done + PIECE_BYTES);
    if (!piece.equals(knownBytes(position + done, piece.length))) return false;
  }
  return true;
}

/** One exchange: so many bytes each way, both from the same place of the sequence. */
export interface Exchange {
  readonly position: number;
  readonly upBytes: number;
  readonly downBytes: number;
}

const REQUEST_BYTES = 12;

/** What opens an exchange; the bytes up follow. */
export function encodeExchange({ position, upBytes, downBytes }: Exchange): Buffer {
  const request = Buffer.alloc(REQUEST_BYTES);
  for (const [index, value] of [position, upBytes, downBytes].entries()) request.writeUInt32BE(value, 4 * index);
  return request;
}

/** Writes `count` bytes of the sequence from `position` and minds back-pressure, then calls `done`. */
export function sendKnown(
  conn: Pick<Conn, 'write' | 'once' | 'destroyed'>,
  { position, count }: { readonly position: number; readonly count: number },
  done: () => void = () => {},
): void {
  let sent = 0;
  const pump = (): void => {
    while (sent < count && !conn.destroyed) {
      const piece = knownBytes(position + sent, count - sent);
      sent += piece.length;
      if (!conn.write(piece)) {
        conn.once('drain', pump);
        return;
      }
    }
    done();
  };
  pump();
}

async function serve(conn: Conn): Promise<void> {
  const request = await readExactly(conn, REQUEST_BYTES);
  const [position = 0, upBytes = 0, downBytes = 0] = [0, 4, 8].map((offset) => request.readUInt32BE(offset));
  sendKnown(conn, { position, count: downBytes });
  let received = 0;
  let intact = true;
  conn.on('data', (chunk: Buffer) => {
    intact &&= areKnown(position + received, chunk);
    received += chunk.length;
  });
  // Its clean end says that everything arrived; anything else is a reset.
  conn.once('end', () => {
    if (intact && received === upBytes) conn.end();
    else conn.resetAndDestroy?.();
  });
  conn.resume();
}

/** Where exchanges are served, at a free port of loopback. Disposing closes all that is open. */
export async function startKnownOrigin(
  network: Network,
): Promise<{ readonly address: SocketAddress } & AsyncDisposable> {
  const conns = new Set<Conn>();
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conns.add(conn);
    conn.on('error', () => conn.destroy());
    conn.once('close', () => conns.delete(conn));
    serve(conn).catch(() => conn.destroy());
  });
  return {
    address: listener.address,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of conns) conn.destroy();
    },
  };
}
