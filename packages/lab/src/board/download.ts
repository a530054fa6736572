import { createHash } from 'node:crypto';
import { request } from 'node:http';
import type { Conn } from '@rozan/tunnel';
import { expectedHash } from './site.ts';

const WATCH_MS = 1_000;

/** How a download went. */
export interface Download {
  readonly bytes: number;
  /** All bytes came, and they are the right ones. */
  readonly isWhole: boolean;
  /** From the request to the last byte. */
  readonly ms: number;
  readonly firstByteMs: number | null;
  /** The longest time in which nothing came. */
  readonly longestStallMs: number;
}

/** What is downloaded. */
export interface DownloadOptions {
  readonly bytes: number;
  /** In bytes a second, as the site sends them; 0 for as fast as they are taken. */
  readonly rate?: number;
  readonly signal: AbortSignal;
  /** Gives up when nothing has come for so long; never unless said. */
  readonly patienceMs?: number;
  /** Called when so many have come. */
  readonly onBytes?: (count: number) => void;
}

/** Fetches `/bytes/BYTES` (`/RATE`) of the lab's site over a connection to it. Does not reject: what broke is not whole. */
export function download(conn: Conn, options: DownloadOptions): Promise<Download> {
  const { bytes, rate = 0, signal, onBytes, patienceMs } = options;
  const hash = createHash('sha256');
  const startMs = performance.now();
  let lastMs = startMs;
  let received = 0;
  let firstByteMs: number | null = null;
  let longestStallMs = 0;
  return new Promise((resolve) => {
    const watch = setInterval(() => {
      if (patienceMs !== undefined && performance.now() - lastMs > patienceMs) over();
    }, WATCH_MS);
    const over = () => {
      clearInterval(watch);
      signal.removeEventListener('abort', over);
      conn.destroy();
      const nowMs = performance.now();
      longestStallMs = Math.max(longestStallMs, nowMs - lastMs);
      const isWhole = received === bytes && hash.copy().digest('hex') === expectedHash(bytes);
      resolve({ bytes: received, isWhole, ms: nowMs - startMs, firstByteMs, longestStallMs });
    };
    signal.addEventListener('abort', over, { once: true });
    conn.on('error', over);
    const path = rate > 0 ? `/bytes/${bytes}/${Math.round(rate)}` : `/bytes/${bytes}`;
    const asked = request({ path, host: 'site.lab', createConnection: () => conn });
    asked.on('error', over);
    asked.on('response', (response) => {
      response.on('data', (chunk: Buffer) => {
        const nowMs = performance.now();
        firstByteMs ??= nowMs - startMs;
        longestStallMs = Math.max(longestStallMs, nowMs - lastMs);
        lastMs = nowMs;
        received += chunk.length;
        onBytes?.(chunk.length);
        hash.update(chunk);
      });
      response.on('error', over);
      response.on('close', over);
    });
    asked.end();
    if (signal.aborted) over();
  });
}
