import { once } from 'node:events';
import { formatIpAddress, parseHostPort } from '@rozan/protocol';
import { createEnv, type SocketAddress } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { encodeSocksTarget, type SocksTarget } from './socks-client.ts';

const ANSWER_MS = 30_000;
const ANY_PORT = { host: '127.0.0.1', port: 0 };
const FIXED_HEADER = Buffer.alloc(3);
const KIND_IPV4 = 1;

/** A UDP association of a SOCKS5 proxy, as an application has it. */
export interface UdpAssociation extends AsyncDisposable {
  send(target: SocksTarget, bytes: Buffer): void;
  /** Sends the bytes as they are, without a head. */
  sendRaw(bytes: Buffer): void;
  /** Resolves when the proxy has ended it. */
  readonly ended: Promise<void>;
}

/** Takes a datagram and the address that the proxy says it came from. */
export type AssociationListener = (from: SocketAddress, bytes: Buffer) => void;

function readAnswer(bytes: Buffer): { from: SocketAddress; data: Buffer } {
  const end = 4 + (bytes[3] === KIND_IPV4 ? 4 : 16);
  const from = { host: formatIpAddress(bytes.subarray(4, end)), port: bytes.readUInt16BE(end) };
  return { from, data: bytes.subarray(end + 2) };
}

/** Asks a SOCKS5 proxy (`host:port`) for an association. Rejects when it is refused. */
export async function openAssociation(proxy: string, onDatagram: AssociationListener): Promise<UdpAssociation> {
  const { network } = createEnv({ log: () => {} });
  const conn = await network.dial(parseHostPort(proxy), { signal: AbortSignal.timeout(ANSWER_MS) });
  conn.on('error', () => conn.destroy());
  const giveUp = setTimeout(() => conn.destroy(new Error('the proxy does not answer')), ANSWER_MS);
  conn.write(Buffer.from('05010005030001000000000000', 'hex'));
  const answer = await readExactly(conn, 12).finally(() => clearTimeout(giveUp));
  if (answer[3] !== 0) throw new Error(`the proxy refuses with ${answer[3]}`);
  const relay = { host: answer.subarray(6, 10).join('.'), port: answer.readUInt16BE(10) };
  const socket = await network.bindDatagrams(ANY_PORT, (bytes) => {
    const { from, data } = readAnswer(bytes);
    onDatagram(from, data);
  });
  const ended = once(conn, 'close').then(() => {});
  conn.resume();
  let header: { target: SocksTarget; bytes: Buffer } | null = null;
  return {
    send: (target, bytes) => {
      if (header?.target !== target)
        header = { target, bytes: Buffer.concat([FIXED_HEADER, encodeSocksTarget(target)]) };
      socket.send(Buffer.concat([header.bytes, bytes]), relay);
    },
    sendRaw: (bytes) => void socket.send(bytes, relay),
    ended,
    [Symbol.asyncDispose]: async () => {
      conn.destroy();
      socket.close();
      await ended;
    },
  };
}
