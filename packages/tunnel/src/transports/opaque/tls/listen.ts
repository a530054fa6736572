import type { Env } from '../../../env.ts';
import type { Conn, Listener } from '../../../network.ts';
import { createSite } from '../../../site/site.ts';
import { createWebServer } from '../../../site/web-server.ts';
import { createSecureServer } from '../../../tls/server.ts';
import type { TransportListenOptions } from '../../../transport.ts';
import { MarkMemory } from '../../mark-memory.ts';
import { type FirstLook, lookAtFirstBytes, StrangerCount } from '../arrivals.ts';
import { type Declined, DressedConn, unreadConn } from '../dressed-conn.ts';
import { plainFraming } from '../framing.ts';
import type { TlsSettings } from '../settings.ts';
import { answerHello, measureTickets } from './engine.ts';
import { HELLO_BYTES, matchHello } from './hello.ts';
import { opaqueAlert, opaqueRecord, RecordFramer, RecordUnframer } from './records.ts';

/** Listens as a web server over TLS: a fresh hello of ours opens a carrier; everyone else gets that server itself. */
export async function listenAsTls(env: Env, options: TransportListenOptions<TlsSettings>): Promise<Listener> {
  const { settings, onConn } = options;
  const key = Buffer.from(settings.key, 'base64url');
  const marks = new MarkMemory();
  const strangers = new StrangerCount();
  const drawBytes = (count: number) => env.random.bytes(count);
  const web = createWebServer(env, createSite(env, settings.site));
  const server = createSecureServer(settings.identity, ['http/1.1'], (conn) => web.serve(conn));
  const ticketBytes = await measureTickets(server, settings);
  const makeTickets = () => Buffer.concat(ticketBytes.map((bytes) => opaqueRecord(bytes, drawBytes)));

  const look = (bytes: Buffer): FirstLook<'hello'> => {
    const match = matchHello(bytes, key);
    if (match.kind === 'part') return 'more';
    return match.kind === 'hello' && marks.isFresh(match.mark) ? 'hello' : 'stranger';
  };
  const onStranger = (stranger: Declined) => {
    if (strangers.admit(stranger.conn)) server.serve(unreadConn(stranger, plainFraming()));
  };
  /** The server's answer has gone out, and what came then is no Finished message that it would take. */
  const onDecline = ({ conn, hasEnded }: Declined) => {
    conn.on('error', () => {});
    conn.resume();
    if (hasEnded) conn.end();
    else conn.end(opaqueAlert(drawBytes));
    conn.once('finish', () => conn.destroy());
  };
  const onHello = async (conn: Conn, bytes: Buffer) => {
    const flight = await answerHello(server, bytes.subarray(0, HELLO_BYTES));
    if (flight === null || conn.destroyed) {
      conn.destroy();
      return;
    }
    conn.write(flight.bytes);
    const dressed = new DressedConn(conn, {
      framer: new RecordFramer(drawBytes, makeTickets),
      unframer: new RecordUnframer({ changesCipherSpec: true, records: 1 }),
      leftover: bytes.subarray(HELLO_BYTES),
      onDecline,
    });
    onConn(dressed);
  };
  const accept = (conn: Conn) =>
    lookAtFirstBytes(conn, {
      clock: env.clock,
      look,
      onFound: (_hello, bytes) => void onHello(conn, bytes),
      onStranger,
    });
  const listener = await env.network.listen(options.address, accept);
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      web.close();
    },
  };
}
