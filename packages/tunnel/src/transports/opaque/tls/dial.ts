import type { Env } from '../../../env.ts';
import type { Conn } from '../../../network.ts';
import { DressedConn } from '../dressed-conn.ts';
import { handshakeOver } from '../handshake-over.ts';
import type { TlsParams } from '../params.ts';
import { makeHello } from './hello.ts';
import { CHANGE_CIPHER_SPEC, opaqueRecord, RecordFramer, RecordUnframer } from './records.ts';
import { finishedBytes, type ServerFlight, takeServerFlight } from './server-flight.ts';

/** Session tickets that a server sends once it has the client's Finished message; OpenSSL sends two. */
export const TICKETS = 2;

/**
 * Goes through what a handshake of TLS 1.3 looks like. The hello shows the relay whose it is; nothing is encrypted by it, so Finished and the
 * records of data are random bytes under their heads.
 */
export async function greetAsTls(
  env: Env,
  conn: Conn,
  { params, signal }: { readonly params: TlsParams; readonly signal: AbortSignal | undefined },
): Promise<Conn> {
  const drawBytes = (count: number) => env.random.bytes(count);
  conn.write(makeHello(params, Buffer.from(params.key, 'base64url'), drawBytes));
  let bytes: Buffer = Buffer.alloc(0);
  const receive = (piece: Buffer): ServerFlight | null => {
    bytes = Buffer.concat([bytes, piece]);
    return takeServerFlight(bytes);
  };
  const { hashBytes, rest } = await handshakeOver(env, conn, { signal, receive });
  const makeFirst = () => Buffer.concat([CHANGE_CIPHER_SPEC, opaqueRecord(finishedBytes(hashBytes), drawBytes)]);
  return new DressedConn(conn, {
    framer: new RecordFramer(drawBytes, makeFirst),
    unframer: new RecordUnframer({ changesCipherSpec: false, records: TICKETS }),
    leftover: rest,
  });
}
