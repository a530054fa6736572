import { parseHostPort, parseIpAddress } from '@rozan/protocol';
import { type Conn, createEnv } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';

/** SOCKS reply codes (RFC 1928 §6). */
export const SOCKS_SUCCEEDED = 0;
export const SOCKS_FORBIDDEN = 2;

const ANSWER_MS = 30_000;

/** The target of a SOCKS request; as a name, whatever it looks like, or as an address. */
export interface SocksTarget {
  readonly host: string;
  readonly port: number;
  readonly as: 'name' | 'address';
}

/** What the proxy has answered. */
export interface SocksAnswer {
  /** The reply code, or 'reset' where the connection broke off first. */
  readonly reply: number | 'reset';
  /** Still open after success. */
  readonly conn: Conn;
}

function encodeHost({ host, as }: SocksTarget): Buffer {
  if (as === 'name') {
    const name = Buffer.from(host);
    return Buffer.concat([Buffer.from([3, name.length]), name]);
  }
  const address = parseIpAddress(host);
  if (address === undefined) throw new TypeError(`not an address: ${host}`);
  return Buffer.concat([Buffer.from([address.length === 4 ? 1 : 4]), address]);
}

/** A target as requests and datagrams carry it (RFC 1928 §5). */
export function encodeSocksTarget(target: SocksTarget): Buffer {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(target.port);
  return Buffer.concat([encodeHost(target), port]);
}

/** Asks a SOCKS5 proxy (`host:port`) for a connection. The connection has an error listener. */
export async function connectBySocks(proxy: string, target: SocksTarget): Promise<SocksAnswer> {
  const { network } = createEnv({ log: () => {} });
  const conn = await network.dial(parseHostPort(proxy), { signal: AbortSignal.timeout(ANSWER_MS) });
  conn.on('error', () => {});
  const giveUp = setTimeout(() => conn.destroy(new Error('the proxy does not answer')), ANSWER_MS);
  try {
    conn.write(Buffer.from([5, 1, 0]));
    await readExactly(conn, 2);
    conn.write(Buffer.concat([Buffer.from([5, 1, 0]), encodeSocksTarget(target)]));
    const answer = await readExactly(conn, 10);
    return { reply: answer[1] ?? 'reset', conn };
  } catch (error) {
    if (!isReset(error)) throw error;
    return { reply: 'reset', conn };
  } finally {
    clearTimeout(giveUp);
  }
}

/** How a connection ends: 'clean', or the system's word for how it broke. What comes is dropped. */
export async function endOf(conn: Conn): Promise<string> {
  const giveUp = setTimeout(() => conn.destroy(new Error('it does not end')), ANSWER_MS);
  try {
    return await new Promise((resolve, reject) => {
      const settle = (error: unknown) => (isReset(error) ? resolve('ECONNRESET') : reject(error));
      if (conn.errored !== null) settle(conn.errored);
      conn.once('error', settle);
      conn.once('end', () => resolve('clean'));
      conn.resume();
    });
  } finally {
    clearTimeout(giveUp);
    conn.destroy();
  }
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}
