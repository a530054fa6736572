import { formatAddress } from '../../address.ts';
import type { Env } from '../../env.ts';
import type { Conn, SocketAddress } from '../../network.ts';
import { dialSecure } from '../../tls/client.ts';
import type { TransportDialOptions } from '../../transport.ts';
import { BrowserConn } from './browser-conn.ts';
import { ClientConn } from './client-conn.ts';
import { nameOf, type WebSocketParams } from './params.ts';

const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/** Connects and puts TLS on; the request goes out with the first bytes that are written, and carries them. */
export async function dialWebSocket(env: Env, options: TransportDialOptions<WebSocketParams>): Promise<Conn> {
  const { address, params, signal } = options;
  const browserSockets = fitsBrowser(params) ? await env.loadBrowserSockets?.() : null;
  if (browserSockets) {
    const under = await env.network.dial(address, { signal });
    return new BrowserConn(env, browserSockets, { under, params });
  }
  const under = await dialUnder(env, options);
  if (signal?.aborted) {
    under.destroy();
    throw signal.reason;
  }
  return new ClientConn(env, under, { params, host: params.host ?? hostOf(address, params) });
}

/** Whether a browser would do just this: it shows the name that it asks for, and looks for that in a certificate that others vouch for. */
function fitsBrowser({ tls, sni, host, alpn, ...params }: WebSocketParams): boolean {
  const isSame = sni !== undefined && sni === host && (params.name === undefined || params.name === sni);
  return tls === 'ca' && isSame && alpn.join() === 'http/1.1';
}

function dialUnder(env: Env, { address, params, signal }: TransportDialOptions<WebSocketParams>): Promise<Conn> {
  if (params.tls === 'none') return env.network.dial(address, { signal });
  const { sni, alpn } = params;
  const certificate = params.tls === 'pin' ? { pin: params.pin } : { certificateName: nameOf(params) };
  return dialSecure(env, address, { signal, sni, alpn, ...certificate });
}

/** As a browser writes it for an address without a name. */
function hostOf(address: SocketAddress, { tls }: WebSocketParams): string {
  const port = tls === 'none' ? DEFAULT_PORTS.http : DEFAULT_PORTS.https;
  const text = formatAddress(address);
  return address.port === port ? text.slice(0, text.lastIndexOf(':')) : text;
}
