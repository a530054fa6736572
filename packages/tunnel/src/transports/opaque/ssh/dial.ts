import type { Env } from '../../../env.ts';
import type { Conn } from '../../../network.ts';
import { DressedConn } from '../dressed-conn.ts';
import { plainFraming } from '../framing.ts';
import { handshakeOver } from '../handshake-over.ts';
import { tagOf } from '../mark.ts';
import type { SshParams } from '../params.ts';
import { SshClient } from './client.ts';
import { MESSAGE, message, string } from './wire.ts';

/** Bytes of the tag before a first flight. */
export const TAG_BYTES = 16;

/** What tells the flight's message from any other IGNORE message: nobody without the key can make it, and nobody can use it again. */
export function flightTag(key: Buffer, sessionId: Buffer): Buffer {
  return tagOf(key, sessionId, TAG_BYTES);
}

/**
 * Goes through the handshake of SSH. The first write travels in an IGNORE message under its keys; what follows goes as it is, which nobody can
 * tell from further packets: under these ciphers all their bytes are random to see, their lengths as well.
 */
export async function greetAsSsh(
  env: Env,
  conn: Conn,
  { params, signal }: { readonly params: SshParams; readonly signal: AbortSignal | undefined },
): Promise<Conn> {
  const key = Buffer.from(params.key, 'base64url');
  const client = new SshClient(
    (count) => env.random.bytes(count),
    (bytes) => conn.write(bytes),
  );
  const done = await handshakeOver(env, conn, { signal, receive: (bytes) => client.receive(bytes) });
  const first = (flight: Buffer): readonly Buffer[] => [
    done.finish(message(MESSAGE.ignore, string(Buffer.concat([flightTag(key, done.sessionId), flight])))),
  ];
  return new DressedConn(conn, { ...plainFraming(first), leftover: done.rest });
}
