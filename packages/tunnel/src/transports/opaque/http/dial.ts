import type { Env } from '../../../env.ts';
import type { Conn, SocketAddress } from '../../../network.ts';
import { DressedConn } from '../dressed-conn.ts';
import { makeMark } from '../mark.ts';
import type { HttpParams } from '../params.ts';
import { ChunkedFramer, ChunkedUnframer } from './chunked.ts';
import { hostOf, makeRequest } from './request.ts';
import { responseHeadBytes } from './response.ts';

/** Dresses a fresh connection as a request: the first write goes out with its head, and the answer's head is expected of the other side. */
export function dressAsRequest(
  env: Env,
  conn: Conn,
  { params, address }: { readonly params: HttpParams; readonly address: SocketAddress },
): Conn {
  const key = Buffer.from(params.key, 'base64url');
  const makeHead = () => makeRequest(params, { host: params.host ?? hostOf(address), mark: makeMark(key, env.random) });
  conn.pause();
  return new DressedConn(conn, {
    framer: new ChunkedFramer(makeHead),
    unframer: new ChunkedUnframer(responseHeadBytes),
  });
}
