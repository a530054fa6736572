import type { Env, Programs, ProgramsOptions } from './env.ts';
import type { Transport } from './transport.ts';
import { http } from './transports/http/http.ts';
import { opaque } from './transports/opaque/opaque.ts';
import { pluggable } from './transports/pluggable/pluggable.ts';
import { createPluggablePrograms } from './transports/pluggable/programs.ts';
import { websocket } from './transports/websocket/websocket.ts';

/** Every transport there is. A new one is a folder and a line here. */
export const TRANSPORTS: readonly Transport[] = [opaque, http, pluggable, websocket];

/** The transport that a server entry or a command line names, or `null` if this version does not have it. */
export function findTransport(name: string): Transport | null {
  return TRANSPORTS.find((transport) => transport.name === name) ?? null;
}

/**
 * Programs of others, each started when it is first asked for; disposing ends them. `env.network` has to be the one of this machine: the
 * programs are on it, whatever the way out of it may be.
 */
export function createPrograms(env: Env, options: ProgramsOptions = {}): Programs & AsyncDisposable {
  return createPluggablePrograms(env, options);
}
