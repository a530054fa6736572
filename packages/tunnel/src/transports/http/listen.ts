import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeBase64url, type KeyPair, keyPairOf } from '@rozan/protocol';
import type { Env } from '../../env.ts';
import { type Conn, ipVersion, type Listener } from '../../network.ts';
import type { Site } from '../../site/reply.ts';
import { createSite } from '../../site/site.ts';
import { createWebServer } from '../../site/web-server.ts';
import { createSecureServer } from '../../tls/server.ts';
import type { TransportListenOptions } from '../../transport.ts';
import { deriveListenerKeys } from './connection-keys.ts';
import { CLOSED_HOLD_MS, MAX_CARRIERS, MAX_CONNECTIONS, MAX_PAST_CARRIERS } from './limits.ts';
import { openInner, openOuter, TOKEN_CHARACTERS } from './request-token.ts';
import { ServerConnection } from './server-connection.ts';
import type { HttpSettings } from './settings.ts';

/** A connection, and what opens the tokens of its requests. */
interface Known {
  readonly connection: ServerConnection;
  readonly requestKey: Buffer;
}

/** Listens; requests of clients make connections, every other request is the site's. */
export async function listenHttp(env: Env, options: TransportListenOptions<HttpSettings>): Promise<Listener> {
  const site = createSite(env, options.settings.site);
  const desk = new FrontDesk(env, site, options);
  const web = createWebServer(env, (request, response) => {
    if (!desk.take(request, response)) site(request, response);
  });
  desk.onEmptied = () => web.close();
  const accept = bounded(acceptorFor(options.settings, (conn) => web.serve(conn)));
  const listener = await env.network.listen(options.address, accept).catch((error: unknown) => {
    web.close();
    throw error;
  });
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      desk.close();
    },
  };
}

/** Finds the connection that a request is for. */
class FrontDesk {
  /** Called when it is closed and its last connection is over. */
  onEmptied: () => void = () => {};
  readonly #env: Env;
  readonly #site: Site;
  readonly #options: TransportListenOptions<HttpSettings>;
  readonly #entryKey: Buffer;
  readonly #keyPair: KeyPair;
  readonly #known = new Map<string, Known>();
  /** Names of connections that are forgotten, the oldest first: who sends one of their openings again is a stranger from its first line on. */
  readonly #past = new Set<string>();
  #isClosed = false;

  constructor(env: Env, site: Site, options: TransportListenOptions<HttpSettings>) {
    this.#env = env;
    this.#site = site;
    this.#options = options;
    this.#entryKey = decodeBase64url(options.settings.key);
    this.#keyPair = keyPairOf(decodeBase64url(options.settings.privateKey));
  }

  /** No new port's connections come; those that are go on. */
  close(): void {
    this.#isClosed = true;
    if (this.#known.size === 0) this.onEmptied();
  }

  /** Whether the request is one of ours, which is then taken care of. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const token = tokenOf(request.url ?? '', this.#options.settings);
    const outer = token === null ? null : openOuter(token, this.#entryKey);
    if (outer === null) return false;
    const name = outer.connectionKey.toString('latin1');
    const found = this.#known.get(name);
    if (found !== undefined) {
      const header = openInner(outer, found.requestKey);
      return header !== null && found.connection.handle(request, response, header);
    }
    if (this.#known.size >= MAX_CARRIERS || this.#past.has(name)) return false;
    const keys = deriveListenerKeys(this.#keyPair, outer.connectionKey);
    const header = keys === null ? null : openInner(outer, keys.request);
    if (keys === null || header === null || !header.opening) return false;
    const { settings, onConn } = this.#options;
    const connection = new ServerConnection(this.#env, {
      keys,
      site: this.#site,
      maxMessageBytes: settings.maxBytes,
      maxHoldMs: () => (this.#isClosed ? CLOSED_HOLD_MS : settings.maxAgeMs),
      remoteAddress: clientOf(request, settings),
      onConn,
      onOver: (hasBegun) => this.#forget(name, hasBegun),
    });
    this.#known.set(name, { connection, requestKey: keys.request });
    return connection.handle(request, response, header);
  }

  #forget(name: string, hasBegun: boolean): void {
    this.#known.delete(name);
    // An opening that has not arrived whole may come again.
    if (hasBegun) this.#past.add(name);
    const [oldest] = this.#past;
    if (this.#past.size > MAX_PAST_CARRIERS && oldest !== undefined) this.#past.delete(oldest);
    if (this.#isClosed && this.#known.size === 0) this.onEmptied();
  }
}

/** Closes what comes beyond `MAX_CONNECTIONS`. */
function bounded(accept: (conn: Conn) => void): (conn: Conn) => void {
  let open = 0;
  return (conn) => {
    if (open >= MAX_CONNECTIONS) {
      conn.destroy();
      return;
    }
    open += 1;
    conn.once('close', () => {
      open -= 1;
    });
    accept(conn);
  };
}

function acceptorFor({ tls }: HttpSettings, serve: (conn: Conn) => void): (conn: Conn) => void {
  if (tls?.identity === undefined) return serve;
  const secure = createSecureServer(tls.identity, ['http/1.1'], serve);
  return (conn) => secure.serve(conn);
}

/** The token in a request's path; null where there is none. */
function tokenOf(url: string, { prefix, suffix }: HttpSettings): Buffer | null {
  const text = url.slice(prefix.length, url.length - suffix.length);
  if (text.length !== TOKEN_CHARACTERS || !url.startsWith(prefix) || !url.endsWith(suffix)) return null;
  return Buffer.from(text, 'base64url');
}

/** The client's address, as the server in front says it where that is to be believed: the last one that it names. */
function clientOf(request: IncomingMessage, { forwarded }: HttpSettings): string | undefined {
  const value = forwarded === undefined ? undefined : request.headers[forwarded];
  const text = (Array.isArray(value) ? value.at(-1) : value)?.split(',').at(-1)?.trim();
  return text === undefined || ipVersion(text) === 0 ? request.socket.remoteAddress : text;
}
