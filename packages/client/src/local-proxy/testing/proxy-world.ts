import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { ResetCode } from '@rozan/protocol';
import { type Clock, type Conn, createEnv, type Env, type LogEvent } from '@rozan/tunnel';
import { createLocalProxies, type LocalProxies, type LocalProxyOptions } from '../local-proxies.ts';
import type { ProxyKind } from '../proxy-context.ts';
import { createFakeOpener, type FakeOpener } from './fake-opener.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 } as const;

/** Both local proxies on free ports, over a fake opener. */
export interface ProxyWorld extends AsyncDisposable {
  readonly env: Env;
  readonly events: LogEvent[];
  readonly opener: FakeOpener;
  readonly proxies: LocalProxies;
  /** The port of one of the proxies. */
  port(kind: ProxyKind): number;
  /** A connection to one of the proxies. */
  connect(kind: ProxyKind): Promise<Conn>;
  /** Resolves with the first event of that name, past or to come. */
  event(name: string): Promise<LogEvent>;
}

/** Starts the proxies; `clock` replaces the real one. */
export async function createProxyWorld(
  options: Partial<LocalProxyOptions> & { readonly clock?: Clock } = {},
): Promise<ProxyWorld> {
  const { clock, ...proxyOptions } = options;
  const events: LogEvent[] = [];
  const waiting: { name: string; resolve: (event: LogEvent) => void }[] = [];
  const log = (event: LogEvent) => {
    events.push(event);
    for (const { name, resolve } of waiting) if (name === event.event) resolve(event);
  };
  const realEnv = createEnv({ log });
  const env = clock ? { ...realEnv, clock } : realEnv;
  const opener = createFakeOpener(env.network);
  const proxies = await createLocalProxies(env, { socks: LOOPBACK, http: LOOPBACK, opener, ...proxyOptions });
  const port = (kind: ProxyKind) => proxies[kind]?.port ?? 0;
  return {
    env,
    events,
    opener,
    proxies,
    port,
    connect: (kind) => env.network.dial({ ...LOOPBACK, port: port(kind) }),
    event: async (name) => {
      const past = events.find((event) => event.event === name);
      return past ?? new Promise<LogEvent>((resolve) => waiting.push({ name, resolve }));
    },
    [Symbol.asyncDispose]: () => proxies[Symbol.asyncDispose](),
  };
}

/** A web site on a free port. */
export interface Origin extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
}

/** Starts a web site. */
export async function createOrigin(listener: RequestListener): Promise<Origin> {
  const server = createServer({ keepAliveTimeout: 0 }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    server,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A bare target on a free port: what comes in is handed to `onConn`. */
export async function createTarget(
  env: Env,
  onConn: (conn: Conn) => void,
): Promise<AsyncDisposable & { port: number }> {
  const conns = new Set<Conn>();
  const listener = await env.network.listen(LOOPBACK, (conn) => {
    conns.add(conn);
    onConn(conn);
  });
  return {
    port: listener.address.port,
    [Symbol.asyncDispose]: async () => {
      for (const conn of conns) conn.destroy();
      await listener.close();
    },
  };
}

/** Reads until `count` bytes or, without it, until the end. Rejects when the connection breaks off. Leaves the rest unread. */
export async function readFrom(conn: Conn, count = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of conn.iterator({ destroyOnReturn: false })) {
    const bytes: Buffer = chunk;
    const missing = count - length;
    chunks.push(bytes.subarray(0, missing));
    length += bytes.length;
    if (length > count) conn.unshift(bytes.subarray(missing));
    if (length >= count) break;
  }
  return Buffer.concat(chunks);
}

/** Reads the head of an HTTP message, with its empty line. */
export async function readHead(conn: Conn): Promise<string> {
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const next = await readFrom(conn, 1);
    if (next.length === 0) break;
    head += next.toString('latin1');
  }
  return head;
}

/** Resolves with the error code with which `conn` breaks off, or with 'clean'. */
export async function endOf(conn: Conn): Promise<string> {
  try {
    await readFrom(conn);
    return 'clean';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

/** Sends `text` to the HTTP proxy and returns the connection. */
export async function send(world: ProxyWorld, text: string): Promise<Conn> {
  const conn = await world.connect('http');
  conn.write(text);
  return conn;
}

/** Reads one answer with a `Content-Length`. */
export async function readAnswer(conn: Conn): Promise<{ status: number; head: string; body: string }> {
  const head = await readHead(conn);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  const body = length > 0 ? (await readFrom(conn, length)).toString() : '';
  return { status: Number(head.slice(9, 12)), head, body };
}

/** How the HTTP proxy answers each reason why a stream could not be opened. */
export const STATUS_BY_CODE: readonly (readonly [ResetCode, number])[] = [
  ['forbidden', 403],
  ['unreachable', 502],
  ['name-not-found', 502],
  ['refused', 502],
  ['timed-out', 504],
  ['session-lost', 503],
  ['busy', 503],
  ['internal', 502],
];
