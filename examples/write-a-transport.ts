// A transport in a hundred lines: a greeting, then every byte XORed with a number that the server entry names. It shows what a transport has to
// do, and hides nothing from anybody. A real one is a folder in packages/tunnel/src/transports and a line in transports.ts.
//
//   node examples/write-a-transport.ts
import { Duplex } from 'node:stream';
import { type Conn, type Env, type Transport, TunnelError } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, readAll, SeededRandom } from '@rozan/tunnel/testing';

/** What a client has to know beyond the address. It stands in the server entry. */
export interface ToyParams {
  /** 1 to 255. */
  readonly key: number;
}

const GREETING = Buffer.from('toy\n');

const xor = (bytes: Buffer, key: number): Buffer => Buffer.from(bytes.map((byte) => byte ^ key));

/** Dresses a connection: bytes both ways, back-pressure, half-close, reset, and errors in either direction. */
function dress(conn: Conn, key: number): Conn {
  const dressed: Conn = new Duplex({
    allowHalfOpen: true,
    read: () => void conn.resume(),
    // Done only when the connection has taken the bytes: so a slow reader holds up the writer.
    write: (bytes: Buffer, _encoding, done) => void conn.write(xor(bytes, key), done),
    final: (done) => void conn.end(done),
    destroy: (error, done) => {
      conn.destroy();
      done(error);
    },
  });
  conn.on('data', (bytes: Buffer) => {
    if (!dressed.push(xor(bytes, key))) conn.pause();
  });
  conn.on('end', () => dressed.push(null));
  conn.on('error', (error) => dressed.destroy(error));
  conn.on('close', () => {
    if (!conn.readableEnded) dressed.destroy();
  });
  return Object.assign(dressed, {
    remoteAddress: conn.remoteAddress,
    resetAndDestroy: () => {
      if (conn.resetAndDestroy) conn.resetAndDestroy();
      else conn.destroy();
      dressed.destroy();
    },
  });
}

/** Hands the connection on once the greeting has come. Whoever says anything else is read, never answered, and may go when it likes. */
function receiveGreeting(conn: Conn, key: number, onConn: (conn: Conn) => void): void {
  let held = Buffer.alloc(0);
  const onEnd = () => void conn.end();
  const onData = (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    if (held.length < GREETING.length) return;
    conn.off('data', onData);
    if (!xor(held.subarray(0, GREETING.length), key).equals(GREETING)) {
      conn.resume();
      return;
    }
    conn.pause();
    conn.off('end', onEnd);
    if (held.length > GREETING.length) conn.unshift(held.subarray(GREETING.length));
    onConn(dress(conn, key));
  };
  conn.on('error', () => {});
  conn.on('end', onEnd);
  conn.on('data', onData);
}

/** Checks what stands in a server entry, before any packet is sent. Members that are not known are ignored. */
function parseParams(input: unknown): ToyParams {
  const key = typeof input === 'object' && input !== null && 'key' in input ? input.key : undefined;
  if (typeof key !== 'number' || !Number.isInteger(key) || key < 1 || key > 255) {
    throw new TunnelError('bad-params', 'the params of this transport have a "key" of 1 to 255');
  }
  return Object.freeze({ key });
}

/** The whole transport. The rest of the system knows it by this object, and asks for its traits, never for its name. */
export const toy: Transport<ToyParams, ToyParams> = {
  name: 'toy',
  traits: { looksLike: 'other', silentToStrangers: true },
  // What the listener knows and what its clients know is the same here: a key, drawn once and kept by the relay.
  options: {},
  createSettings: async (random, options) => {
    if (Object.keys(options).length > 0) throw new TunnelError('bad-params', 'toy has no options');
    return { key: 1 + Math.floor(random.fraction() * 255) };
  },
  parseSettings: parseParams,
  paramsOf: (settings) => settings,
  parseParams,
  dial: async (env, { address, params, signal }) => {
    const conn = await env.network.dial(address, { signal });
    conn.write(xor(GREETING, params.key));
    return dress(conn, params.key);
  },
  listen: (env, { address, settings, onConn }) =>
    env.network.listen(address, (conn) => receiveGreeting(conn, settings.key, onConn)),
};

/** One question and one answer through the transport, on a network in memory. */
async function main(): Promise<void> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(1), log: () => {} };
  const onConn = (conn: Conn) => {
    conn.on('error', () => {});
    conn.pipe(conn);
  };
  const settings = await toy.createSettings(env.random, {});
  const listener = await toy.listen(env, { address: { host: '127.0.0.1', port: 0 }, settings, onConn });
  const conn = await toy.dial(env, { address: listener.address, params: toy.paramsOf(settings) });
  conn.end('a byte, and another');
  console.log(`sent and came back: ${await readAll(conn)}`);
  await listener.close();
}

if (import.meta.main) await main();
