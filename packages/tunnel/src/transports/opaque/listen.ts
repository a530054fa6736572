import type { Env } from '../../env.ts';
import type { TransportListener, TransportListenOptions } from '../../transport.ts';
import { type OpaqueParams, parseOpaqueParams } from './params.ts';

/** Listens; every connection is handed on untouched, a stranger's too: the secure channel above tells them apart. */
export async function listenOpaque(
  env: Env,
  options: TransportListenOptions,
): Promise<TransportListener<OpaqueParams>> {
  const listener = await env.network.listen(options.address, options.onConn);
  return { address: listener.address, params: parseOpaqueParams({}), close: () => listener.close() };
}
