import type { Env } from '../../env.ts';
import type { Listener } from '../../network.ts';
import type { TransportListenOptions } from '../../transport.ts';
import { listenAsHttp } from './http/listen.ts';
import type { OpaqueSettings } from './settings.ts';
import { listenAsSsh } from './ssh/listen.ts';
import { listenAsTls } from './tls/listen.ts';

/**
 * Listens. Bare, every connection is handed on untouched, a stranger's too: the secure channel above tells them apart. With a prefix only
 * those are handed on that begin as a client of this listener begins; all others get the imitated program.
 */
export function listenOpaque(env: Env, options: TransportListenOptions<OpaqueSettings>): Promise<Listener> {
  const { settings } = options;
  switch (settings.prefix) {
    case 'http':
      return listenAsHttp(env, { ...options, settings });
    case 'ssh':
      return listenAsSsh(env, { ...options, settings });
    case 'tls':
      return listenAsTls(env, { ...options, settings });
    case undefined:
      return env.network.listen(options.address, options.onConn);
  }
}
