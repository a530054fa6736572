import { type Conn, createEnv } from '@rozan/tunnel';

/** A name server that knows one answer. */
export interface DnsResponder extends AsyncDisposable {
  readonly port: number;
  /** Questions over UDP so far. */
  readonly asked: number;
}

const HEADER_BYTES = 12;
/** Before each message over TCP (§4.2.2). */
const LENGTH_BYTES = 2;

/** The end of the first question: its name's labels, a zero, type and class. */
function questionEnd(query: Buffer): number {
  let position = HEADER_BYTES;
  for (let length = query[position]; length !== undefined && length > 0; length = query[position])
    position += 1 + length;
  return position + 5;
}

/** The answer to any question (RFC 1035 §4): one A record and no more. */
function answerTo(query: Buffer, address: string): Buffer {
  const end = questionEnd(query);
  // Its id, a response to a recursive query without error, one question and one answer.
  const header = Buffer.concat([query.subarray(0, 2), Buffer.from('81800001000100000000', 'hex')]);
  const answer = Buffer.from('c00c000100010000003c0004', 'hex');
  const bytes = Buffer.from(address.split('.').map(Number));
  return Buffer.concat([header, query.subarray(HEADER_BYTES, end), answer, bytes]);
}

/** Answers questions that come over one TCP connection, each behind its length. */
function answerStream(conn: Conn, address: string): void {
  let waiting = Buffer.alloc(0);
  conn.on('error', () => {});
  conn.on('end', () => void conn.end());
  conn.on('data', (piece: Buffer) => {
    waiting = Buffer.concat([waiting, piece]);
    while (waiting.length >= LENGTH_BYTES + HEADER_BYTES && waiting.length >= LENGTH_BYTES + waiting.readUInt16BE(0)) {
      const end = LENGTH_BYTES + waiting.readUInt16BE(0);
      const answer = answerTo(waiting.subarray(LENGTH_BYTES, end), address);
      conn.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]));
      waiting = waiting.subarray(end);
    }
  });
}

/** Answers every question, over UDP and TCP, with one A record of `address`. */
export async function startDnsResponder(address: string): Promise<DnsResponder> {
  const { network } = createEnv({ log: () => {} });
  let asked = 0;
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => answerStream(conn, address));
  const socket = await network.bindDatagrams(listener.address, (query, from) => {
    if (query.length < HEADER_BYTES) return;
    asked += 1;
    socket.send(answerTo(query, address), from);
  });
  return {
    port: socket.address.port,
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await listener.close();
    },
  };
}
