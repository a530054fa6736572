import type { Env } from '../env.ts';
import type { Conn, Listener, SocketAddress } from '../network.ts';
import { createSite, parseSiteSource } from '../site/site.ts';
import { createWebServer } from '../site/web-server.ts';
import type { Identity } from '../tls/self-signed.ts';
import { createSecureServer } from '../tls/server.ts';

/** What a listener shows to strangers, as its settings have it. */
export interface SiteAlone {
  readonly site: unknown;
  /** Null: no TLS. */
  readonly identity: Identity | null;
  /** Everything is looked at so much later: a connection when it comes, and again when its TLS is there. */
  readonly lateMs: number;
}

/** Listens with the site of a listener and nothing else: the same server, with its transport off. */
export async function listenSiteAlone(env: Env, address: SocketAddress, options: SiteAlone): Promise<Listener> {
  const { site, identity, lateMs } = options;
  const late = (serve: (conn: Conn) => void) => (conn: Conn) => {
    if (lateMs === 0) serve(conn);
    else env.clock.setTimer(lateMs, () => serve(conn));
  };
  const web = createWebServer(createSite(env, parseSiteSource(site)));
  const secure = identity === null ? null : createSecureServer(identity, ['http/1.1'], late(web.serve));
  const listener = await env.network.listen(address, late(secure === null ? web.serve : secure.serve));
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      web.close();
    },
  };
}
