import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import type { TransportDialOptions } from '../../transport.ts';
import type { PluggableParams } from './params.ts';

/** Has the client executable of the method connect. Which one that is, `env.programs` knows. */
export async function dialPluggable(env: Env, options: TransportDialOptions<PluggableParams>): Promise<Conn> {
  const { address, params, signal } = options;
  if (env.programs === undefined) throw new TunnelError('failed', 'this program runs no pluggable transports');
  return await env.programs.dial({ ...params, address, signal });
}
