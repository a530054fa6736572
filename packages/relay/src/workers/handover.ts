// How a worker hands a connection to the worker that owns its session: over the owner's local socket, a header (u16 length, JSON) with the
// token of this start, then the connection's bytes in a `FramedConn`, what has been read of it first.
import { timingSafeEqual } from 'node:crypto';
import { type Conn, type Env, type LocalListener, splice } from '@rozan/tunnel';
import type { Handover } from '../accept/acceptor.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';
import { FramedConn } from './framed-conn.ts';

const LENGTH_BYTES = 2;

/** What a handed-over connection comes with. */
export type HandedOver = Pick<Handover, 'source' | 'transport'>;

function encodeHeader(token: Buffer, { source, transport }: HandedOver): Buffer {
  const json = Buffer.from(JSON.stringify({ token: token.toString('hex'), source, transport }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(json.length);
  return Buffer.concat([length, json]);
}

/** Null for what no worker of this start has written. */
function decodeHeader(json: Buffer, token: Buffer): HandedOver | null {
  try {
    const fields: { token?: unknown; source?: { key?: unknown; isLocal?: unknown }; transport?: unknown } = JSON.parse(
      json.toString(),
    );
    const given = Buffer.from(String(fields.token), 'hex');
    if (given.length !== token.length || !timingSafeEqual(given, token)) return null;
    const { source, transport } = fields;
    if (typeof source?.key !== 'string' || typeof source.isLocal !== 'boolean' || typeof transport !== 'string')
      return null;
    return { source: { key: source.key, isLocal: source.isLocal }, transport };
  } catch {
    return null;
  }
}

/** Hands a connection over to the worker at `socketPath`. Rejects with a `TunnelError` when nobody answers there. */
export async function handOver(
  env: Pick<Env, 'network' | 'clock'>,
  { conn, bytes, ...from }: Handover,
  owner: { readonly socketPath: string; readonly token: Buffer },
): Promise<void> {
  const raw = await env.network.dialLocal(owner.socketPath);
  if (conn.destroyed) {
    raw.destroy();
    return;
  }
  raw.write(encodeHeader(owner.token, from));
  const framed = new FramedConn(raw);
  framed.write(bytes);
  splice(conn, framed, {
    // An owner that has ended its side and let go of the rest has closed; one that is gone otherwise has reset.
    resetA: (error) => {
      if (framed.hasPeerEnded || conn.resetAndDestroy === undefined) conn.destroy(error);
      else conn.resetAndDestroy();
    },
  });
  // It was paused when its first flight was whole, and a listener does not undo that.
  conn.resume();
}

/** Takes connections from the other workers. Rejects with a `TunnelError` when it cannot listen. */
export async function listenForHandovers(
  env: Pick<Env, 'network' | 'clock'>,
  options: { readonly socketPath: string; readonly token: Buffer },
  onConn: (conn: Conn, from: HandedOver) => void,
): Promise<LocalListener> {
  return env.network.listenLocal(options.socketPath, (raw) => {
    const cancelTimer = env.clock.setTimer(WORKER_BOUNDS.headerMs, () => raw.destroy());
    raw.once('close', cancelTimer);
    let held = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      const end = held.length < LENGTH_BYTES ? Number.POSITIVE_INFINITY : LENGTH_BYTES + held.readUInt16BE();
      if (held.length < end) return;
      cancelTimer();
      raw.off('data', onData);
      raw.pause();
      const from = decodeHeader(held.subarray(LENGTH_BYTES, end), options.token);
      if (from === null) {
        raw.destroy();
        return;
      }
      if (held.length > end) raw.unshift(held.subarray(end));
      onConn(new FramedConn(raw), from);
    };
    raw.on('error', () => raw.destroy());
    raw.on('data', onData);
  });
}
