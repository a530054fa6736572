import { createEnv } from '@rozan/tunnel';

/** A name server that knows one answer. */
export interface DnsResponder extends AsyncDisposable {
  readonly port: number;
  /** Questions so far. */
  readonly asked: number;
}

const HEADER_BYTES = 12;

/** The end of the first question: its name's labels, a zero, type and class. */
function questionEnd(query: Buffer): number {
  let position = HEADER_BYTES;
  for (let length = query[position]; length !== undefined && length > 0; length = query[position])
    position += 1 + length;
  return position + 5;
}

/** Answers every question (RFC 1035 §4) with one A record of `address` and no more. */
export async function startDnsResponder(address: string): Promise<DnsResponder> {
  const { network } = createEnv({ log: () => {} });
  let asked = 0;
  const socket = await network.bindDatagrams({ host: '127.0.0.1', port: 0 }, (query, from) => {
    if (query.length < HEADER_BYTES) return;
    asked += 1;
    const end = questionEnd(query);
    // Its id, a response to a recursive query without error, one question and one answer.
    const header = Buffer.concat([query.subarray(0, 2), Buffer.from('81800001000100000000', 'hex')]);
    const answer = Buffer.from('c00c000100010000003c0004', 'hex');
    const bytes = Buffer.from(address.split('.').map(Number));
    socket.send(Buffer.concat([header, query.subarray(HEADER_BYTES, end), answer, bytes]), from);
  });
  return {
    port: socket.address.port,
    get asked() {
      return asked;
    },
    [Symbol.asyncDispose]: async () => socket.close(),
  };
}
