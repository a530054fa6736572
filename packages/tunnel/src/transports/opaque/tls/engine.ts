import { duplexPair } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import type { SecureServer } from '../../../tls/server.ts';
import { TICKETS } from './dial.ts';
import type { HelloLook } from './hello.ts';
import { RECORD, SEAL_BYTES } from './records.ts';
import { type ServerFlight, takeServerFlight } from './server-flight.ts';

/** What OpenSSL's tickets have where they could not be measured. */
const USUAL_TICKET_BYTES = 265;
const HEAD_BYTES = 5;
/** Bytes that a server's whole part of a handshake has at most. */
const MOST_BYTES = 16 * 1024;

/** Has a server that strangers meet answer a client's hello, so that the answer is that server's in every byte. Resolves with null if it refuses. */
export function answerHello(server: SecureServer, hello: Buffer): Promise<ServerFlight | null> {
  const [near, far] = duplexPair();
  let bytes: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const finish = (flight: ServerFlight | null) => {
      resolve(flight);
      near.destroy();
      far.destroy();
    };
    for (const end of [near, far]) end.on('error', () => {});
    near.on('close', () => resolve(null));
    near.on('end', () => finish(null));
    near.on('data', (piece: Buffer) => {
      bytes = Buffer.concat([bytes, piece]);
      try {
        const flight = takeServerFlight(bytes);
        if (flight !== null || bytes.length > MOST_BYTES) finish(flight);
      } catch {
        finish(null);
      }
    });
    server.serve(far);
    near.write(hello);
  });
}

/** The lengths of the records that follow a server's flight in what it has sent. */
function recordsBehindFlight(bytes: Buffer): number[] {
  const flight = takeServerFlight(bytes);
  const lengths: number[] = [];
  let rest = flight?.rest ?? Buffer.alloc(0);
  while (rest.length >= HEAD_BYTES && rest[0] === RECORD.data) {
    const recordBytes = rest.readUInt16BE(3);
    if (rest.length < HEAD_BYTES + recordBytes) break;
    lengths.push(recordBytes);
    rest = rest.subarray(HEAD_BYTES + recordBytes);
  }
  return lengths;
}

/** Goes through a real handshake with the server, in memory, to see how long the tickets are that it sends: their contents' lengths. */
export function measureTickets(server: SecureServer, { host }: Pick<HelloLook, 'host'>): Promise<readonly number[]> {
  const [near, far] = duplexPair();
  const [toClient, clientEnd] = duplexPair();
  let sent: Buffer = Buffer.alloc(0);
  return new Promise((resolve) => {
    const ends = [near, far, toClient, clientEnd];
    const finish = (lengths: readonly number[]) => {
      resolve(
        Array.from({ length: TICKETS }, (_, index) => (lengths[index] ?? USUAL_TICKET_BYTES + SEAL_BYTES) - SEAL_BYTES),
      );
      client.destroy();
      for (const end of ends) end.destroy();
    };
    for (const end of ends) end.on('error', () => {});
    const client: TLSSocket = connect({
      socket: clientEnd,
      rejectUnauthorized: false,
      ...(host === null ? {} : { servername: host }),
      ALPNProtocols: ['http/1.1'],
    });
    client.on('error', () => finish([]));
    near.on('end', () => finish([])).on('close', () => finish([]));
    near.on('data', (piece: Buffer) => {
      sent = Buffer.concat([sent, piece]);
      toClient.write(piece);
      const lengths = recordsBehindFlight(sent);
      if (lengths.length >= TICKETS) finish(lengths);
    });
    toClient.on('data', (piece: Buffer) => void near.write(piece));
    server.serve(far);
  });
}
