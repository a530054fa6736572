import type { Env } from '../../../env.ts';
import type { Conn, Listener } from '../../../network.ts';
import { createSite } from '../../../site/site.ts';
import { createWebServer } from '../../../site/web-server.ts';
import type { TransportListenOptions } from '../../../transport.ts';
import { MarkMemory } from '../../mark-memory.ts';
import { type FirstLook, lookAtFirstBytes, StrangerCount } from '../arrivals.ts';
import { type Declined, DressedConn, unreadConn } from '../dressed-conn.ts';
import { plainFraming } from '../framing.ts';
import { markFits } from '../mark.ts';
import type { HttpSettings } from '../settings.ts';
import { ChunkedFramer, ChunkedUnframer } from './chunked.ts';
import { matchRequest } from './request.ts';
import { makeResponse } from './response.ts';

/** Listens as a web server: requests with a fresh mark are handed on, dressed; everyone else gets the site. */
export async function listenAsHttp(env: Env, options: TransportListenOptions<HttpSettings>): Promise<Listener> {
  const { settings, onConn } = options;
  const key = Buffer.from(settings.key, 'base64url');
  const marks = new MarkMemory();
  const strangers = new StrangerCount();
  const server = createWebServer(env, createSite(env, settings.site));
  const look = (bytes: Buffer): FirstLook<number> => {
    const match = matchRequest(settings, bytes);
    if (match.kind === 'part') return 'more';
    const isOurs = match.kind === 'head' && markFits(key, match.mark) && marks.isFresh(match.mark);
    return isOurs ? match.bytes : 'stranger';
  };
  const onStranger = (stranger: Declined) => {
    if (strangers.admit(stranger.conn)) server.serve(unreadConn(stranger, plainFraming()));
  };
  const onFound = (conn: Conn, { headBytes, bytes }: { headBytes: number; bytes: Buffer }) => {
    const head = bytes.subarray(0, headBytes);
    const dressed = new DressedConn(conn, {
      framer: new ChunkedFramer(() => makeResponse(env.clock)),
      unframer: new ChunkedUnframer(),
      leftover: bytes.subarray(headBytes),
      onDecline: (declined) => onStranger({ ...declined, seen: Buffer.concat([head, declined.seen]) }),
    });
    onConn(dressed);
  };
  const accept = (conn: Conn) =>
    lookAtFirstBytes(conn, {
      clock: env.clock,
      look,
      onFound: (headBytes, bytes) => onFound(conn, { headBytes, bytes }),
      onStranger,
    });
  const listener = await env.network.listen(options.address, accept);
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      server.close();
    },
  };
}
