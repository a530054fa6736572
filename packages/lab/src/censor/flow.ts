// What a censor sees, and what it remembers of a flow. Bytes and times come in; nothing here acts.
import type { Packet as SizedPacket } from '../classifiers/tls-in-tls.ts';

/** An address and a port, as they stand in the packets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Whom a flow joins: the 5-tuple. The client is who opened it. */
export interface Tuple {
  readonly transport: 'tcp' | 'udp';
  readonly client: Endpoint;
  readonly server: Endpoint;
}

/** Who sent a packet. */
export type Side = 'client' | 'server';

/**
 * Something that passes the censor. `open`: a SYN, or a connection that a middlebox accepted. `data`: a packet with payload. `close`: FIN, RST, or the
 * end of a connection. `tick`: nothing has come, but the time is reached that a verdict asked for.
 */
export interface FlowEvent {
  readonly kind: 'open' | 'data' | 'close' | 'tick';
  /** Milliseconds on any clock that does not go back. */
  readonly atMs: number;
  readonly tuple: Tuple;
  readonly from: Side;
  readonly payload: Buffer;
  /** A retransmission: these bytes have passed, or were dropped, before. */
  readonly isRepeat?: boolean | undefined;
}

/** So much of the beginning of each direction is kept for those who read across packets. */
const HEAD_BYTES = 8192;
/** So many first payloads of each direction are kept for those who read packet by packet. */
const KEPT_PAYLOADS = 12;
/** So many sizes are kept for those who look at bursts. */
const KEPT_SIZES = 96;
const CHANGE_CIPHER_SPEC = Buffer.from('140303000101', 'hex');

/** One direction of a flow so far. */
export interface Way {
  bytes: number;
  /** Packets with payload. */
  packets: number;
  /** The first payloads, each as it came. */
  readonly payloads: Buffer[];
  /** The same joined, as a censor that reassembles sees it. */
  head: Buffer;
}

const newWay = (): Way => ({ bytes: 0, packets: 0, payloads: [], head: Buffer.alloc(0) });

/** A flow as the censor remembers it. */
export class Flow {
  readonly tuple: Tuple;
  readonly openedMs: number;
  readonly client: Way = newWay();
  readonly server: Way = newWay();
  /** The first packets with payload of both directions, in order. */
  readonly sizes: SizedPacket[] = [];
  lastMs: number;
  /** Repeats of packets that were seen before. */
  repeats = 0;
  /** What recognisers found; each answer that cannot change any more is kept. */
  readonly findings = new Map<string, unknown>();

  constructor(tuple: Tuple, openedMs: number) {
    this.tuple = tuple;
    this.openedMs = openedMs;
    this.lastMs = openedMs;
  }

  /** Takes a packet in. */
  take(event: FlowEvent): void {
    this.lastMs = event.atMs;
    if (event.isRepeat === true) this.repeats += 1;
    if (event.kind !== 'data' || event.isRepeat === true || event.payload.length === 0) return;
    const way = this[event.from];
    way.bytes += event.payload.length;
    way.packets += 1;
    if (way.payloads.length < KEPT_PAYLOADS) way.payloads.push(Buffer.from(event.payload));
    if (way.head.length < HEAD_BYTES) {
      way.head = Buffer.concat([way.head, event.payload.subarray(0, HEAD_BYTES - way.head.length)]);
    }
    if (this.sizes.length < KEPT_SIZES) {
      const isChangeCipherSpec = event.payload.includes(CHANGE_CIPHER_SPEC);
      this.sizes.push({ from: event.from, bytes: event.payload.length, isChangeCipherSpec });
    }
  }

  /** The answer of a recogniser, asked once and kept when it is certain; null: it cannot tell yet. */
  find<Found>(name: string, recognise: (flow: Flow) => Found | null): Found | null {
    const known = this.findings.get(name);
    // Each name belongs to one recogniser, so what is kept under it has its type.
    if (known !== undefined) return known as Found;
    const found = recognise(this);
    if (found !== null) this.findings.set(name, found);
    return found;
  }
}

/** A name for a flow, in which both directions agree. */
export function tupleKey({ transport, client, server }: Tuple): string {
  return `${transport} ${client.host} ${client.port} ${server.host} ${server.port}`;
}

/** What is remembered about whom: the parts of a tuple that have to agree. */
export type Scope = 'server' | 'server-port' | 'client' | 'client-server' | '3-tuple' | '4-tuple';

/** The key under which something is remembered of a tuple. */
export function scopeKey(scope: Scope, { transport, client, server }: Tuple): string {
  switch (scope) {
    case 'server':
      return server.host;
    case 'server-port':
      return `${transport} ${server.host} ${server.port}`;
    case 'client':
      return client.host;
    case 'client-server':
      return `${client.host} ${server.host}`;
    case '3-tuple':
      return `${transport} ${client.host} ${server.host} ${server.port}`;
    case '4-tuple':
      return `${transport} ${client.host} ${client.port} ${server.host} ${server.port}`;
  }
}
