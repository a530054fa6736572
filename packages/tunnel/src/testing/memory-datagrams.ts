import { formatAddress } from '../address.ts';
import { TunnelError } from '../errors.ts';
import { type DatagramSocket, ipVersion, type OnDatagram, type SocketAddress } from '../network.ts';

/** What UDP in memory needs of its network. */
export interface MemoryDatagramsOptions {
  /** Calls `arrive` after one way through the network. */
  readonly deliver: (arrive: () => void) => void;
  /** Whether datagrams get to that place. */
  readonly isOpen: (place: string) => boolean;
  readonly nextPort: () => number;
}

interface Bound {
  readonly address: SocketAddress;
  readonly onDatagram: OnDatagram;
}

/** A machine bound to all of its addresses answers from this one. */
const OWN_HOST: { readonly [wildcard: string]: string } = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** The UDP half of a `MemoryNetwork`: nothing is lost by itself, and nothing is told of what is. */
export class MemoryDatagrams {
  readonly #options: MemoryDatagramsOptions;
  readonly #sockets = new Map<string, Bound>();

  constructor(options: MemoryDatagramsOptions) {
    this.#options = options;
  }

  /** Sockets that are open. */
  get size(): number {
    return this.#sockets.size;
  }

  bind({ host, port }: SocketAddress, onDatagram: OnDatagram): DatagramSocket {
    const address = { host, port: port === 0 ? this.#options.nextPort() : port };
    const place = formatAddress(address);
    if (this.#sockets.has(place)) throw new TunnelError('failed', 'the connection failed: EADDRINUSE');
    const bound = { address, onDatagram };
    this.#sockets.set(place, bound);
    const isBound = () => this.#sockets.get(place) === bound;
    return {
      address,
      send: (bytes, to) => {
        if (!isBound() || ipVersion(to.host) !== ipVersion(host)) return false;
        this.#send(Buffer.from(bytes), { from: { host: OWN_HOST[host] ?? host, port: address.port }, to });
        return true;
      },
      close: () => {
        if (isBound()) this.#sockets.delete(place);
      },
    };
  }

  #send(bytes: Buffer, way: { readonly from: SocketAddress; readonly to: SocketAddress }): void {
    const place = formatAddress(way.to);
    this.#options.deliver(() => {
      const wildcard = ipVersion(way.to.host) === 4 ? '0.0.0.0' : '::';
      const socket = this.#sockets.get(place) ?? this.#sockets.get(formatAddress({ ...way.to, host: wildcard }));
      if (socket !== undefined && this.#options.isOpen(place)) socket.onDatagram(bytes, way.from);
    });
  }
}
