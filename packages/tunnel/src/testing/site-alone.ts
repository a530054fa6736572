import type { Env } from '../env.ts';
import type { Conn, Listener, SocketAddress } from '../network.ts';
import { createSite, parseSiteSource } from '../site/site.ts';
import { createWebServer } from '../site/web-server.ts';
import type { Identity } from '../tls/self-signed.ts';
import { createSecureServer } from '../tls/server.ts';
import { lookAtFirstBytes } from '../transports/opaque/arrivals.ts';
import { type Declined, unreadConn } from '../transports/opaque/dressed-conn.ts';
import { plainFraming } from '../transports/opaque/framing.ts';

/** What a listener shows to strangers, as its settings have it. */
export interface SiteAlone {
  readonly site: unknown;
  /** Null: no TLS. */
  readonly identity: Identity | null;
  /** Everything is looked at so much later: a connection when it comes, and again when its TLS is there. */
  readonly lateMs: number;
  /** Under TLS, it reads the first bytes before TLS gets them, as a prefixed port does. */
  readonly readsFirst: boolean;
}

function readFirst({ clock }: Env, conn: Conn, onStranger: (stranger: Declined) => void): void {
  lookAtFirstBytes<never>(conn, { clock, look: () => 'stranger', onFound: () => {}, onStranger });
}

/** Listens with the site of a listener and nothing else: the same server, with its transport off. */
export async function listenSiteAlone(env: Env, address: SocketAddress, options: SiteAlone): Promise<Listener> {
  const { site, identity, lateMs, readsFirst } = options;
  const late = (serve: (conn: Conn) => void) => (conn: Conn) => {
    if (lateMs === 0) serve(conn);
    else env.clock.setTimer(lateMs, () => serve(conn));
  };
  const web = createWebServer(env, createSite(env, parseSiteSource(site)));
  const secure = identity === null ? null : createSecureServer(identity, ['http/1.1'], late(web.serve));
  const serveSecure = (conn: Conn) => {
    if (secure === null) web.serve(conn);
    else if (readsFirst) readFirst(env, conn, (stranger) => secure.serve(unreadConn(stranger, plainFraming())));
    else secure.serve(conn);
  };
  const listener = await env.network.listen(address, late(serveSecure));
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      web.close();
    },
  };
}
