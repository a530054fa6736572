import { TunnelError } from './errors.ts';
import { type Conn, type DialOptions, ipVersion, type Network, type SocketAddress } from './network.ts';
import { HttpConnectTalk } from './upstream/http-connect.ts';
import { converse, type ProxyTalk, type ProxyTarget } from './upstream/proxy-talk.ts';
import { Socks5Talk } from './upstream/socks5-talk.ts';
import type { UpstreamProxy } from './upstream/upstream-url.ts';

/** How `viaProxy` finds its proxy. */
export interface ViaProxyOptions {
  /** Gives a literal address of the proxy's name. Without it the proxy has to be a literal. */
  readonly resolve?: ((name: string, signal: AbortSignal | undefined) => Promise<string>) | undefined;
}

/**
 * The same network, with every TCP connection dialled through a proxy that the user has to use. `dial` then takes names too, which the proxy
 * resolves. What is listened to, and UDP, stay as they are.
 */
export function viaProxy(network: Network, proxy: UpstreamProxy, options: ViaProxyOptions = {}): Network {
  return {
    dial: (address, dialOptions = {}) => dialThrough(network, proxy, { ...options, ...dialOptions, address }),
    listen: (...given) => network.listen(...given),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
}

type DialThrough = ViaProxyOptions & DialOptions & { readonly address: SocketAddress };

async function dialThrough(network: Network, proxy: UpstreamProxy, options: DialThrough): Promise<Conn> {
  const { address, signal } = options;
  signal?.throwIfAborted();
  const talk = createTalk(proxy, address);
  const conn = await dialProxy(network, proxy, options);
  try {
    const leftover = await converse(conn, talk, signal);
    if (leftover.length > 0) conn.unshift(leftover);
    return conn;
  } catch (error) {
    conn.destroy();
    throw error;
  }
}

function createTalk({ kind, credentials }: UpstreamProxy, target: ProxyTarget): ProxyTalk {
  return kind === 'http' ? new HttpConnectTalk(target, credentials) : new Socks5Talk(target, credentials);
}

async function dialProxy(network: Network, proxy: UpstreamProxy, { signal, resolve }: DialThrough): Promise<Conn> {
  const { host, port } = proxy;
  try {
    const literal = ipVersion(host) !== 0 || resolve === undefined ? host : await resolve(host, signal);
    return await network.dial({ host: literal, port }, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const code = cause instanceof TunnelError ? cause.code : 'failed';
    throw new TunnelError('proxy-failed', `the upstream proxy cannot be reached: ${code}`);
  }
}
