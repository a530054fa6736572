import { formatHostPort, type ResetCode } from '@rozan/protocol';
import type { Conn, Env, Listener, SocketAddress, StreamOpener } from '@rozan/tunnel';
import { resetConn } from './conn-ends.ts';
import { createHttpProxy } from './http-proxy.ts';
import { DEFAULT_MAX_CONNECTIONS } from './limits.ts';
import { listenError } from './local-proxy-error.ts';
import type { ProxyContext, ProxyKind } from './proxy-context.ts';
import { serveSocks } from './socks-proxy.ts';
import { isLoopbackHost } from './target-host.ts';

/** What `createLocalProxies` takes. */
export interface LocalProxyOptions {
  /** Where the SOCKS proxy listens (port 0 picks a free one); without it there is none. */
  readonly socks?: SocketAddress | undefined;
  /** Where the HTTP proxy listens (port 0 picks a free one); without it there is none. */
  readonly http?: SocketAddress | undefined;
  /** Whether applications are told of success only once the relay has connected to the target. Defaults to no. */
  readonly strictReplies?: boolean | undefined;
  /** Connections that both proxies together hold at a time. */
  readonly maxConnections?: number | undefined;
  readonly opener: StreamOpener;
}

/** Numbers since the start, but for `open`. */
export interface LocalProxyCounts {
  /** Connections from applications right now. */
  readonly open: number;
  readonly accepted: number;
  /** Connections turned away because too many were open. */
  readonly refused: number;
  /** Streams that could not be opened or broke off. */
  readonly failedStreams: number;
  /** UDP associations right now. */
  readonly associations: number;
}

/** The running local proxies. Disposing stops listening and resets every connection that is left. */
export interface LocalProxies extends AsyncDisposable {
  /** Where the SOCKS proxy listens, with the port that was picked. */
  readonly socks: SocketAddress | undefined;
  /** Where the HTTP proxy listens, with the port that was picked. */
  readonly http: SocketAddress | undefined;
  counts(): LocalProxyCounts;
}

function ignoreError(): void {}

/** The connections that are open, and how many may be. */
class ConnRegistry {
  readonly #env: Env;
  readonly #maxConnections: number;
  readonly #conns = new Set<Conn>();
  #isFull = false;
  accepted = 0;
  refused = 0;

  constructor(env: Env, maxConnections: number) {
    this.#env = env;
    this.#maxConnections = maxConnections;
  }

  get open(): number {
    return this.#conns.size;
  }

  /** Takes `conn` in, or resets it where there are too many. */
  admit(kind: ProxyKind, conn: Conn): boolean {
    conn.on('error', ignoreError);
    if (this.#conns.size >= this.#maxConnections) {
      this.refused += 1;
      // Once per time that it is full, not once per connection.
      if (!this.#isFull) this.#env.log({ event: 'proxy.full', proxy: kind, limit: this.#maxConnections });
      this.#isFull = true;
      resetConn(conn);
      return false;
    }
    this.accepted += 1;
    this.#conns.add(conn);
    conn.once('close', () => {
      this.#conns.delete(conn);
      this.#isFull = false;
    });
    return true;
  }

  /** Resets all and waits until they are gone. */
  async clear(): Promise<void> {
    const closed = [...this.#conns].map((conn) => new Promise<void>((resolve) => conn.once('close', resolve)));
    for (const conn of this.#conns) resetConn(conn);
    await Promise.all(closed);
  }
}

/** Listens for one proxy and warns where others than this machine can reach it. Throws a `LocalProxyError`. */
async function listen(
  env: Env,
  kind: ProxyKind,
  options: { address: SocketAddress; onConn: (conn: Conn) => void },
): Promise<Listener> {
  const { address, onConn } = options;
  const listener = await env.network.listen(address, onConn).catch((error: unknown) => {
    throw listenError(error, kind === 'socks' ? 'SOCKS' : 'HTTP', formatHostPort(address));
  });
  if (!isLoopbackHost(address.host)) {
    const advice = 'Everyone who can reach this machine can use the proxy, and others can see what it is used for.';
    env.log({ event: 'proxy.exposed', proxy: kind, advice });
  }
  return listener;
}

/**
 * Starts the SOCKS and HTTP proxies that applications on this machine use. Throws a `LocalProxyError` when an address cannot be
 * listened at; then nothing is left behind. Reports `proxy.exposed`, `proxy.full`, `proxy.refused` and `stream.failed` (docs/spec/local-proxy.md).
 */
export async function createLocalProxies(env: Env, options: LocalProxyOptions): Promise<LocalProxies> {
  const registry = new ConnRegistry(env, options.maxConnections ?? DEFAULT_MAX_CONNECTIONS);
  const ownAddresses: SocketAddress[] = [];
  let failedStreams = 0;
  const noteFailure = (proxy: ProxyKind, code: ResetCode, answered: boolean) => {
    if (code === 'cancelled') return;
    failedStreams += 1;
    env.log({ event: 'stream.failed', proxy, code, answered });
  };
  const { opener, strictReplies = false } = options;
  const associations = { open: 0 };
  const context: ProxyContext = { env, opener, strictReplies, ownAddresses, associations, noteFailure };
  await using stack = new AsyncDisposableStack();
  stack.defer(() => registry.clear());
  const httpProxy = stack.use(createHttpProxy(context));
  const start = async (kind: ProxyKind, address: SocketAddress | undefined, serve: (conn: Conn) => void) => {
    if (!address) return undefined;
    const onConn = (conn: Conn) => {
      if (registry.admit(kind, conn)) serve(conn);
    };
    const listener = await listen(env, kind, { address, onConn });
    stack.defer(() => listener.close());
    ownAddresses.push(listener.address);
    return listener.address;
  };
  const socks = await start('socks', options.socks, (conn) => void serveSocks(context, conn));
  const http = await start('http', options.http, (conn) => httpProxy.serve(conn));
  const running = stack.move();
  return {
    socks,
    http,
    counts: () => ({
      open: registry.open,
      accepted: registry.accepted,
      refused: registry.refused,
      failedStreams,
      associations: associations.open,
    }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
