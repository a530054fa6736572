import { Duplex } from 'node:stream';
import type { ClientAttach } from '@rozan/protocol';
import type { Conn, Network } from '@rozan/tunnel';
import type { LabDialer } from './lab-dialer.ts';

/** What passed over one connection, as somebody on the path would have recorded it. */
export interface Recording {
  /** From the one who dialled, in the pieces in which it was written. */
  readonly sent: Buffer[];
  readonly received: Buffer[];
}

/** The same network, with a recording of every connection that is dialled. */
export function recordDials(network: Network): Network & { readonly recordings: readonly Recording[] } {
  const recordings: Recording[] = [];
  return {
    ...networkMethods(network),
    recordings,
    dial: async (address, options) => {
      const conn = await network.dial(address, options);
      const recording: Recording = { sent: [], received: [] };
      recordings.push(recording);
      record(conn, recording);
      return conn;
    },
  };
}

/** The methods of a network as an object of its own, to put others in their place. */
export function networkMethods(network: Network): Network {
  return {
    dial: (...given) => network.dial(...given),
    listen: (...given) => network.listen(...given),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
}

function record(conn: Conn, { sent, received }: Recording): void {
  const write = conn.write.bind(conn);
  conn.write = (chunk: Buffer, ...rest: unknown[]) => {
    sent.push(Buffer.from(chunk));
    const done = rest.find((value): value is () => void => typeof value === 'function');
    return write(chunk, done);
  };
  const emit = conn.emit.bind(conn);
  conn.emit = (event: string | symbol, ...values: unknown[]) => {
    if (event === 'data' && Buffer.isBuffer(values[0])) received.push(Buffer.from(values[0]));
    return emit(event, ...values);
  };
}

/** The first flight that a client would send now, taken off it before it reaches anybody. */
export function takeFlight(dialer: LabDialer, attach: ClientAttach): Buffer {
  const written: Buffer[] = [];
  const conn = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk);
      done();
    },
  });
  const over = new AbortController();
  // The flight is written before anything is waited for.
  dialer.attachOver(conn, attach, over.signal).catch(() => {});
  over.abort();
  conn.destroy();
  return Buffer.concat(written);
}
