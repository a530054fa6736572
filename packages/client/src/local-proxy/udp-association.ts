import type { Conn, DatagramFlow, DatagramSocket, SocketAddress, Target } from '@rozan/tunnel';
import { closeConn } from './conn-ends.ts';
import { MAX_ASSOCIATIONS } from './limits.ts';
import type { ProxyContext } from './proxy-context.ts';
import { type SocksReply, socksReply } from './socks5-machine.ts';
import { isOwnAddress } from './target-host.ts';
import { readUdpHeader, writeUdpHeader } from './udp-header.ts';

/** The associations of a SOCKS proxy that are open. */
export interface AssociationCount {
  open: number;
}

/** The literal address of an application on this machine, without the form of IPv4 in IPv6; null for one elsewhere. */
function loopbackHostOf(conn: Conn): string | null {
  const host = (conn.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
  return host === '::1' || host.startsWith('127.') ? host : null;
}

/**
 * Serves an application that has asked for a UDP association (RFC 1928 §7): a port of loopback for its datagrams, for as long as its
 * connection stays. `conn` must have an error listener; the promise never rejects.
 */
export async function serveAssociation(context: ProxyContext, conn: Conn): Promise<void> {
  const host = loopbackHostOf(conn);
  if (host === null) refuse(context, conn, { reason: 'not-loopback', reply: 'not-allowed' });
  else if (context.associations.open >= MAX_ASSOCIATIONS) {
    refuse(context, conn, { reason: 'too-many-associations', reply: 'general-failure' });
  } else await associate(context, conn, host);
}

function refuse(context: ProxyContext, conn: Conn, why: { reason: string; reply: SocksReply }): void {
  context.env.log({ event: 'proxy.refused', proxy: 'socks', reason: why.reason });
  closeConn(conn, context.env.clock, socksReply(5, why.reply));
}

async function associate(context: ProxyContext, conn: Conn, host: string): Promise<void> {
  const { associations, env } = context;
  associations.open += 1;
  const association = new Association(context, host);
  conn.once('close', () => {
    associations.open -= 1;
    association.close();
  });
  try {
    // The family's one address that is loopback on every machine; the application's own may be another of 127.0.0.0/8.
    const at = { host: host === '::1' ? host : '127.0.0.1', port: 0 };
    const socket = await env.network.bindDatagrams(at, (bytes, from) => association.onDatagram(bytes, from));
    association.start(socket);
    conn.write(socksReply(5, 'succeeded', socket.address));
    conn.once('end', () => conn.end());
    conn.resume();
  } catch {
    refuse(context, conn, { reason: 'no-udp-port', reply: 'general-failure' });
  }
}

/** One application's datagrams: a socket toward it, a flow away from it. */
class Association {
  readonly #context: ProxyContext;
  readonly #host: string;
  readonly #flow: DatagramFlow;
  #socket: DatagramSocket | null = null;
  #isClosed = false;
  /** Where the application sends from, once it has. */
  #application: SocketAddress | null = null;
  /** The head and the target of its last datagram: most of the time they are those of the next one, too. */
  #lastHeader: Buffer = Buffer.alloc(0);
  #lastTarget: Target | null = null;
  #lastSource: Target | null = null;
  #lastSourceHeader: Buffer = Buffer.alloc(0);

  /** `host`: the address of the application. */
  constructor(context: ProxyContext, host: string) {
    this.#context = context;
    this.#host = host;
    this.#flow = context.opener.openFlow((from, bytes) => this.#toApplication(from, bytes));
  }

  start(socket: DatagramSocket): void {
    this.#socket = socket;
    if (this.#isClosed) socket.close();
  }

  /** A datagram has come to the proxy's port. */
  onDatagram(bytes: Buffer, from: SocketAddress): void {
    if (from.host !== this.#host) return;
    if (this.#application !== null && this.#application.port !== from.port) return;
    const target = this.#targetOf(bytes);
    if (target === null) return;
    this.#application ??= from;
    this.#flow.send(target, bytes.subarray(this.#lastHeader.length));
  }

  /** Where a datagram is to go; null for one that has to be dropped. */
  #targetOf(bytes: Buffer): Target | null {
    const { length } = this.#lastHeader;
    if (length > 0 && bytes.subarray(0, length).equals(this.#lastHeader)) return this.#lastTarget;
    const request = readUdpHeader(bytes);
    if (typeof request === 'string' || isOwnAddress(request.target, this.#context.ownAddresses)) return null;
    this.#lastHeader = Buffer.from(bytes.subarray(0, request.headerBytes));
    this.#lastTarget = request.target;
    return request.target;
  }

  #toApplication(from: Target, bytes: Buffer): void {
    if (this.#application === null) return;
    if (from !== this.#lastSource) {
      this.#lastSourceHeader = writeUdpHeader(from);
      this.#lastSource = from;
    }
    this.#socket?.send(Buffer.concat([this.#lastSourceHeader, bytes]), this.#application);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#flow.close();
    this.#socket?.close();
  }
}
