import type { Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { sleep } from '../../session/backoff.ts';
import type { TransportDialOptions } from '../../transport.ts';
import { dressAsRequest } from './http/dial.ts';
import type { OpaqueParams } from './params.ts';
import { greetAsSsh } from './ssh/dial.ts';
import { greetAsTls } from './tls/dial.ts';

/** A signal that nothing aborts. */
const NEVER: AbortSignal = new AbortController().signal;

/** Connects, and goes through the imitated handshake if there is one. Bare, the first byte of the carrier is the first byte on the wire. */
export async function dialOpaque(env: Env, options: TransportDialOptions<OpaqueParams>): Promise<Conn> {
  const { address, params, signal } = options;
  const conn = await env.network.dial(address, { signal });
  try {
    if (params.delayMs > 0) await sleep(env, params.delayMs * env.random.fraction(), signal ?? NEVER);
    if (params.prefix === undefined) return conn;
    if (params.prefix === 'http') return dressAsRequest(env, conn, { params, address });
    return await (params.prefix === 'ssh'
      ? greetAsSsh(env, conn, { params, signal })
      : greetAsTls(env, conn, { params, signal }));
  } catch (error) {
    conn.destroy();
    throw error;
  }
}
