import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { Env } from '../../env.ts';
import { type Conn, ipVersion, type Listener } from '../../network.ts';
import { createSite } from '../../site/site.ts';
import { createWebServer } from '../../site/web-server.ts';
import { CertificateShelf } from '../../tls/certificates.ts';
import { type CertifiedServer, createCertifiedServer } from '../../tls/certified-server.ts';
import type { TransportListenOptions } from '../../transport.ts';
import { MarkMemory } from '../mark-memory.ts';
import { CookieReader } from './flight-cookie.ts';
import { MAX_VISITORS } from './limits.ts';
import { identityOf, orderOf } from './listener-tls.ts';
import { ServerConn } from './server-conn.ts';
import type { WebSocketSettings } from './settings.ts';
import { fieldOf, isUpgrade, rewriteRequest, upgradeAnswer } from './upgrade.ts';

/** Listens as a web server: a request with a first flight goes to `onConn`, every other to the site, as does one that is declined. */
export async function listenWebSocket(
  env: Env,
  { address, settings, onConn, certificates }: TransportListenOptions<WebSocketSettings>,
): Promise<Listener> {
  const site = createSite(env, settings.site);
  const plain = createWebServer(env, site);
  const cookies = new CookieReader({ name: settings.params.cookie, key: settings.params.key });
  const shown = new MarkMemory();
  const flights = new WeakMap<IncomingMessage, Buffer>();
  const web = createWebServer(env, site, {
    isWanted: (request) => {
      if (request.url !== settings.params.path || !isUpgrade(request)) return false;
      const value = cookies.find(fieldOf(request, 'cookie'));
      // One that was recorded is a stranger's from its first line on, and gets its answer as soon.
      if (value === null || shown.has(value)) return false;
      const flight = cookies.open(value);
      if (flight === null) return false;
      shown.add(value);
      flights.set(request, flight);
      return true;
    },
    onUpgrade: (request, under, head) => {
      const flight = flights.get(request);
      if (flight === undefined) return;
      onConn(
        new ServerConn(env, under, {
          flight,
          head,
          answer: upgradeAnswer(request.headers['sec-websocket-key'] ?? ''),
          remoteAddress: clientOf(settings, request, under),
          onDecline: () => plain.serve(unread(under, Buffer.concat([rewriteRequest(request), head]))),
        }),
      );
    },
  });
  const secure = secureServerFor(env, { settings, certificates, onSecure: web.serve });
  const admit = limitVisitors(MAX_VISITORS, (conn) => (secure === null ? web.serve(conn) : secure.serve(conn)));
  const listener = await env.network.listen(address, admit);
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      secure?.close();
      web.close();
      plain.close();
    },
  };
}

interface SecureOptions extends Pick<TransportListenOptions<WebSocketSettings>, 'settings' | 'certificates'> {
  readonly onSecure: (conn: Conn) => void;
}

/** What puts TLS on; null where others do, or nobody. */
function secureServerFor(env: Env, { settings, certificates, onSecure }: SecureOptions): CertifiedServer | null {
  const { tls } = settings;
  const fallback = identityOf(tls);
  if (fallback === null) return null;
  const order = orderOf(tls);
  const shelf = order === null ? undefined : certificates;
  return createCertifiedServer(env, {
    name: order?.name ?? '',
    certificates: shelf ?? new CertificateShelf(),
    fallback,
    alpn: ['http/1.1'],
    onSecure,
  });
}

/** The connection with bytes put back in front of it. */
function unread(under: Conn, bytes: Buffer): Duplex {
  if (!under.readableEnded) {
    under.unshift(bytes);
    return under;
  }
  // Nothing can be put back behind an end: another stream has the bytes and the end, and writes to this one.
  const stream = new Duplex({
    allowHalfOpen: true,
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => void under.write(chunk, done),
    final: (done) => void under.end(done),
    destroy: (error, done) => {
      under.destroy();
      done(error);
    },
  });
  under.once('close', () => stream.destroy()).on('error', () => {});
  stream.push(bytes);
  stream.push(null);
  return stream;
}

/** Whom limits count: who is connected, or whom a trusted server in front names; the last of several, as that is whom it has seen itself. */
function clientOf({ forwarded }: WebSocketSettings, request: IncomingMessage, under: Conn): string | undefined {
  const value = forwarded === null ? undefined : request.headers[forwarded];
  const named = (Array.isArray(value) ? value.join(',') : value)?.split(',').at(-1)?.trim();
  return named !== undefined && ipVersion(named) !== 0 ? named : under.remoteAddress;
}

/** Closes what is beyond the limit: connections of this listener, carriers included. */
function limitVisitors(most: number, serve: (conn: Conn) => void): (conn: Conn) => void {
  let count = 0;
  return (conn) => {
    if (count >= most) {
      conn.destroy();
      return;
    }
    count += 1;
    conn.once('close', () => {
      count -= 1;
    });
    serve(conn);
  };
}
