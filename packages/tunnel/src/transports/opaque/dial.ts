import type { Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import type { TransportDialOptions } from '../../transport.ts';
import type { OpaqueParams } from './params.ts';

/** Connects; the first byte of the carrier is the first byte on the wire. */
export function dialOpaque(env: Env, options: TransportDialOptions<OpaqueParams>): Promise<Conn> {
  return env.network.dial(options.address, { signal: options.signal });
}
