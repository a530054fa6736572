import { decodeBase64url } from '@rozan/protocol';
import type { Env } from '../../env.ts';
import type { Conn, SocketAddress } from '../../network.ts';
import { dialSecure } from '../../tls/client.ts';
import type { TransportDialOptions } from '../../transport.ts';
import { createClientConnection } from './client-connection.ts';
import { createClientKeys } from './connection-keys.ts';
import type { HttpParams } from './params.ts';

/** Opens the first of a connection's lanes; the first bytes that are written ride in the first request. */
export async function dialHttp(env: Env, options: TransportDialOptions<HttpParams>): Promise<Conn> {
  const { address, params } = options;
  const dialLane = (signal: AbortSignal | undefined) => openLane(env, address, { params, signal });
  const first = await dialLane(options.signal);
  return createClientConnection(env, first, {
    params,
    dialLane,
    entryKey: decodeBase64url(params.key),
    keys: createClientKeys(env.random, decodeBase64url(params.publicKey)),
    host: params.host ?? hostOf(address, params.tls === undefined ? 80 : 443),
    secure: params.tls !== undefined,
  });
}

function openLane(
  env: Env,
  address: SocketAddress,
  { params, signal }: { readonly params: HttpParams; readonly signal: AbortSignal | undefined },
): Promise<Conn> {
  const { tls } = params;
  if (tls === undefined) return env.network.dial(address, { signal });
  return dialSecure(env, address, { ...tls, alpn: ['http/1.1'], signal });
}

/** The address as a browser writes it, without a port that goes without saying. */
function hostOf({ host, port }: SocketAddress, usualPort: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === usualPort ? name : `${name}:${port}`;
}
