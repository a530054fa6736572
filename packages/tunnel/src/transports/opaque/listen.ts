import type { Env } from '../../env.ts';
import type { Listener } from '../../network.ts';
import type { TransportListenOptions } from '../../transport.ts';
import type { OpaqueSettings } from './settings.ts';

/** Listens; every connection is handed on untouched, a stranger's too: the secure channel above tells them apart. */
export function listenOpaque(env: Env, options: TransportListenOptions<OpaqueSettings>): Promise<Listener> {
  return env.network.listen(options.address, options.onConn);
}
