import type { Conn, Env, Listener, SocketAddress } from '@rozan/tunnel';
import type { Packet } from '../classifiers/tls-in-tls.ts';

/** Bytes that passed a tap at once. */
export interface Passage {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
}

/** A place that passes connections on and keeps what it sees. */
export interface Tap extends AsyncDisposable {
  readonly address: SocketAddress;
  /** What passed over each connection, in order. */
  readonly connections: readonly (readonly Passage[])[];
}

/** Of each connection so much is kept. */
const KEPT_BYTES = 1024 * 1024;
/** What one TCP segment carries on an ordinary path. */
const SEGMENT_BYTES = 1448;
const CHANGE_CIPHER_SPEC = Buffer.from('140303000101', 'hex');

/** Puts a tap in front of a place. */
export async function startTap(env: Env, target: SocketAddress): Promise<Tap> {
  const connections: Passage[][] = [];
  const open = new Set<Conn>();
  const listener: Listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, async (client) => {
    const passages: Passage[] = [];
    connections.push(passages);
    client.on('error', () => {});
    const server = await env.network.dial(target);
    let kept = 0;
    const join = (from: Passage['from'], source: Conn, sink: Conn) => {
      open.add(source);
      source.on('close', () => {
        open.delete(source);
        sink.destroy();
      });
      source.on('end', () => void sink.end());
      source.on('data', (bytes: Buffer) => {
        kept += bytes.length;
        if (kept < KEPT_BYTES) passages.push({ from, bytes });
        sink.write(bytes);
      });
    };
    join('client', client, server);
    join('server', server, client);
    client.resume();
  });
  return {
    address: listener.address,
    connections,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of open) conn.destroy();
    },
  };
}

/** The segments that a capture of these passages would show: what follows in one direction goes together, cut at the usual length. */
export function segmentsOf(passages: readonly Passage[]): Passage[] {
  return passages.flatMap(({ from, bytes }) =>
    Array.from({ length: Math.ceil(bytes.length / SEGMENT_BYTES) }, (_, index) => ({
      from,
      bytes: bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES),
    })),
  );
}

/** The same as the classifiers of sizes take them. */
export function packetsOf(passages: readonly Passage[]): Packet[] {
  return segmentsOf(passages).map(({ from, bytes }) => ({
    from,
    bytes: bytes.length,
    isChangeCipherSpec: bytes.includes(CHANGE_CIPHER_SPEC),
  }));
}
