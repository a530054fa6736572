import { decodeTarget, encodeTarget, ProtocolError } from '@rozan/protocol';
import { type DatagramSocket, ipVersion, type SocketAddress } from '@rozan/tunnel';
import { EgressError } from '../egress/egress-error.ts';
import { BoundedMap } from '../limits/bounded-map.ts';
import { DATAGRAM_BOUNDS } from '../limits/constants.ts';
import type { DatagramNat, Idler } from './nat.ts';
import type { DropReason } from './tally.ts';

/** What a flow needs of its session. */
export interface NatFlowOptions {
  /** Whether the flow may speak to one more address. */
  readonly mayReachOut: () => boolean;
  /** Hands the client a datagram and the encoded address from which it came. */
  readonly deliver: (from: Buffer, bytes: Buffer) => void;
  readonly onClosed: (flow: NatFlow) => void;
}

/** An address to which the flow has sent, and from which it therefore takes answers. */
interface Remote {
  readonly address: SocketAddress;
  /** As the client is told of it. */
  readonly encoded: Buffer;
  readonly socket: DatagramSocket;
  /** Bytes sent while nothing has come back; null once something has. */
  unansweredBytes: number | null;
}

/** What is known of a target, by the bytes that the client calls it. */
type TargetState =
  | { readonly kind: 'pending'; readonly waiting: Buffer[] }
  | { readonly kind: 'known'; readonly remote: Remote }
  | { readonly kind: 'refused'; readonly reason: DropReason; readonly untilMs: number };

const DNS_PORT = 53;

function dropReasonOf(error: unknown): DropReason {
  if (error instanceof ProtocolError) return 'malformed';
  if (!(error instanceof EgressError)) return 'busy';
  if (error.resetCode === 'forbidden' || error.resetCode === 'busy') return error.resetCode;
  return 'unresolved';
}

const remoteKey = ({ host, port }: SocketAddress): string => `${host} ${port}`;

/**
 * One flow at the relay: a socket for each IP version that it needs, and the addresses to which it has sent. From others nothing is taken
 * (RFC 4787 §5: address and port-dependent filtering), though all see the same port of the relay.
 */
export class NatFlow implements Idler {
  readonly #nat: DatagramNat;
  readonly #options: NatFlowOptions;
  readonly #targets = new BoundedMap<string, TargetState>(DATAGRAM_BOUNDS.remotesPerFlow);
  readonly #remotes = new BoundedMap<string, Remote>(DATAGRAM_BOUNDS.remotesPerFlow);
  readonly #sockets = new Map<4 | 6, Promise<DatagramSocket>>();
  #usedMs: number;
  /** It has only ever asked name servers, which answer once and at once. */
  #isDnsOnly = true;
  #isClosed = false;

  constructor(nat: DatagramNat, options: NatFlowOptions) {
    this.#nat = nat;
    this.#options = options;
    this.#usedMs = nat.clock.monotonicMs();
    nat.add(this);
  }

  /** Sends a datagram of the client to an encoded target, or drops it and counts that. */
  send(encoded: Buffer, bytes: Buffer): void {
    if (this.#isClosed) return;
    const nowMs = this.#nat.clock.monotonicMs();
    this.#usedMs = nowMs;
    const key = encoded.toString('latin1');
    const state = this.#targets.get(key);
    if (state?.kind === 'known') this.#transmit(state.remote, bytes);
    else if (state?.kind === 'pending') this.#wait(state.waiting, bytes);
    else if (state !== undefined && state.untilMs > nowMs) this.#nat.tally.dropped(state.reason);
    else if (!this.#options.mayReachOut()) this.#nat.tally.dropped('scanning');
    else this.#reachOut(key, Buffer.from(encoded), bytes);
  }

  expire(nowMs: number): void {
    const idleMs = this.#isDnsOnly ? DATAGRAM_BOUNDS.dnsIdleMs : DATAGRAM_BOUNDS.idleMs;
    if (nowMs - this.#usedMs >= idleMs) this.close();
  }

  /** Closes its sockets. What is on its way back is lost. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#nat.remove(this);
    for (const opening of this.#sockets.values()) {
      opening.then(
        (socket) => socket.close(),
        () => {},
      );
    }
    this.#options.onClosed(this);
  }

  /** Datagrams of one target wait for its look-up, a few of them. They are copied: they lie in records that must not be kept. */
  #wait(waiting: Buffer[], bytes: Buffer): void {
    const waitingBytes = waiting.reduce((sum, each) => sum + each.length, bytes.length);
    const { datagrams, bytes: most } = DATAGRAM_BOUNDS.waiting;
    if (waiting.length < datagrams && waitingBytes <= most) waiting.push(Buffer.from(bytes));
    else this.#nat.tally.dropped('busy');
  }

  #reachOut(key: string, encoded: Buffer, bytes: Buffer): void {
    const waiting: Buffer[] = [];
    this.#targets.set(key, { kind: 'pending', waiting });
    this.#wait(waiting, bytes);
    this.#admit(encoded).then(
      (remote) => {
        if (this.#isClosed) return;
        this.#targets.set(key, { kind: 'known', remote });
        for (const each of waiting) this.#transmit(remote, each);
      },
      (error: unknown) => {
        const reason = dropReasonOf(error);
        const untilMs = this.#nat.clock.monotonicMs() + DATAGRAM_BOUNDS.refusedMs;
        this.#targets.set(key, { kind: 'refused', reason, untilMs });
        this.#nat.tally.dropped(reason, waiting.length);
      },
    );
  }

  /** The only way to a `Remote`: by the guard. */
  async #admit(encoded: Buffer): Promise<Remote> {
    const target = decodeTarget(encoded);
    const address = { host: await this.#nat.locate(target), port: target.port };
    if (address.port !== DNS_PORT) this.#isDnsOnly = false;
    const known = this.#remotes.get(remoteKey(address));
    if (known !== undefined) return known;
    const socket = await this.#socketFor(ipVersion(address.host) === 6 ? 6 : 4);
    const remote = { address, encoded: encodeTarget(address), socket, unansweredBytes: 0 };
    this.#remotes.set(remoteKey(address), remote);
    return remote;
  }

  #socketFor(version: 4 | 6): Promise<DatagramSocket> {
    const known = this.#sockets.get(version);
    if (known !== undefined) return known;
    if (this.#isClosed) return Promise.reject(new EgressError('internal'));
    const opening = this.#nat.bind(version, (bytes, from) => this.#receive(bytes, from));
    this.#sockets.set(version, opening);
    opening.catch(() => this.#sockets.delete(version));
    return opening;
  }

  #transmit(remote: Remote, bytes: Buffer): void {
    const { tally } = this.#nat;
    if (remote.unansweredBytes !== null) {
      if (remote.unansweredBytes > DATAGRAM_BOUNDS.unansweredBytes) {
        tally.dropped('unanswered');
        return;
      }
      remote.unansweredBytes += bytes.length;
    }
    if (remote.socket.send(bytes, remote.address)) tally.moved('up', bytes.length);
    else tally.dropped('unsendable');
  }

  #receive(bytes: Buffer, from: SocketAddress): void {
    if (this.#isClosed) return;
    const remote = this.#remotes.get(remoteKey(from));
    if (remote === undefined) {
      this.#nat.tally.dropped('unasked');
      return;
    }
    remote.unansweredBytes = null;
    this.#usedMs = this.#nat.clock.monotonicMs();
    this.#nat.tally.moved('down', bytes.length);
    this.#options.deliver(remote.encoded, bytes);
  }
}
