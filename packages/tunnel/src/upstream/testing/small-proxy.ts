import { formatIpAddress, parseHostPort } from '@rozan/protocol';
import { TunnelError } from '../../errors.ts';
import type { Conn, Listener, Network, SocketAddress } from '../../network.ts';
import { splice } from '../../splice.ts';
import { readExactly } from '../../testing/stream-helpers.ts';
import type { Credentials } from '../proxy-talk.ts';
import type { UpstreamProxy } from '../upstream-url.ts';

/** What a small proxy is. */
export interface SmallProxyOptions {
  readonly kind: UpstreamProxy['kind'];
  /** What it wants to see; nothing if null. */
  readonly credentials: Credentials | null;
  /** Turns the names that it knows into addresses. */
  readonly names?: ReadonlyMap<string, string> | undefined;
}

const ANY_PORT = { host: '127.0.0.1', port: 0 };

/** Starts an HTTP or SOCKS5 proxy for tests at a free port of 127.0.0.1; it says what has to be said and no more. */
export function startSmallProxy(network: Network, options: SmallProxyOptions): Promise<Listener> {
  return network.listen(ANY_PORT, (conn) => {
    conn.on('error', () => {});
    const serve = options.kind === 'http' ? serveHttp : serveSocks;
    serve(network, conn, options).catch(() => conn.destroy());
  });
}

async function connect(network: Network, conn: Conn, place: SocketAddress): Promise<Conn> {
  const left = new AbortController();
  const onClose = () => left.abort(new TunnelError('failed', 'the client has left'));
  conn.once('close', onClose);
  try {
    return await network.dial(place, { signal: left.signal });
  } finally {
    conn.off('close', onClose);
  }
}

/** Says a last thing and lets the client end. */
function finish(conn: Conn, last: string | Buffer): void {
  conn.end(last);
  conn.resume();
}

function join(near: Conn, far: Conn): void {
  far.on('error', () => {});
  splice(near, far);
}

// --- HTTP -------------------------------------------------------------------------------------------------------------------------

async function serveHttp(network: Network, conn: Conn, { credentials, names }: SmallProxyOptions): Promise<void> {
  let head = '';
  while (!head.endsWith('\r\n\r\n')) head += (await readExactly(conn, 1)).toString('latin1');
  const login = /^proxy-authorization: basic (\S+)\r$/im.exec(head)?.[1] ?? '';
  if (credentials !== null && atob8(login) !== `${credentials.user}:${credentials.password}`) {
    finish(conn, 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const { host, port } = parseHostPort(/^CONNECT (\S+) HTTP/.exec(head)?.[1] ?? '');
  try {
    const far = await connect(network, conn, { host: names?.get(host) ?? host, port });
    conn.write('HTTP/1.1 200 Connection established\r\nVia: small\r\n\r\n');
    join(conn, far);
  } catch {
    finish(conn, 'HTTP/1.1 502 Bad Gateway\r\n\r\n');
  }
}

function atob8(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

// --- SOCKS5 -----------------------------------------------------------------------------------------------------------------------

async function serveSocks(network: Network, conn: Conn, { credentials, names }: SmallProxyOptions): Promise<void> {
  const [, count = 0] = await readExactly(conn, 2);
  const methods = await readExactly(conn, count);
  const method = credentials === null ? 0 : 2;
  conn.write(Buffer.from([5, methods.includes(method) ? method : 0xff]));
  if (credentials !== null && !(await checkLogin(conn, credentials))) return;
  const [, , , kind = 0] = await readExactly(conn, 4);
  const host = await readHost(conn, kind);
  const port = (await readExactly(conn, 2)).readUInt16BE(0);
  try {
    const far = await connect(network, conn, { host: names?.get(host) ?? host, port });
    conn.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    join(conn, far);
  } catch (error) {
    const code = error instanceof TunnelError && error.code === 'refused' ? 5 : 4;
    finish(conn, Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]));
  }
}

async function checkLogin(conn: Conn, credentials: Credentials): Promise<boolean> {
  await readExactly(conn, 1);
  const user = await readCounted(conn);
  const password = await readCounted(conn);
  const isRight = user.toString() === credentials.user && password.toString() === credentials.password;
  if (isRight) conn.write(Buffer.from([1, 0]));
  else finish(conn, Buffer.from([1, 1]));
  return isRight;
}

async function readCounted(conn: Conn): Promise<Buffer> {
  const [count = 0] = await readExactly(conn, 1);
  return count === 0 ? Buffer.alloc(0) : await readExactly(conn, count);
}

async function readHost(conn: Conn, kind: number): Promise<string> {
  if (kind === 3) return (await readCounted(conn)).toString('latin1');
  return formatIpAddress(await readExactly(conn, kind === 1 ? 4 : 16));
}
