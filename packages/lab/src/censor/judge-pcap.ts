// The same rules over a capture: what would they have done to it?
import { SeededRandom } from '@rozan/tunnel/testing';
import { readCapture } from './capture-file.ts';
import { CensorEngine } from './engine.ts';
import { type FlowEvent, type Side, type Tuple, tupleKey } from './flow.ts';
import { ACK, FIN, type IpPacket, RST, readIpPacket, SYN } from './ip-packet.ts';
import type { Policy } from './policy-file.ts';
import type { VerdictLine } from './verdict.ts';

/** What policies make of a capture. */
export interface CaptureJudgement {
  readonly packets: number;
  readonly flows: number;
  /** By policy: the flows on which it acts, by their numbers. Each policy judges alone, as if it were the only censor. */
  readonly policies: readonly {
    readonly id: string;
    readonly acted: readonly number[];
    readonly log: readonly VerdictLine[];
  }[];
}

/** One direction of a TCP connection: where its next byte is. */
interface Place {
  next: number | null;
}

interface Connection {
  readonly tuple: Tuple;
  readonly places: { readonly client: Place; readonly server: Place };
  readonly ended: Set<Side>;
}

/** Sequence numbers go round. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}

/** Turns packets into events. Light: bytes that came before are repeats, a gap is passed over, and what comes late after it is a repeat. */
class EventMaker {
  readonly #connections = new Map<string, Connection>();

  make(packet: IpPacket, atMs: number): FlowEvent[] {
    const { transport, source, target, flags, payload } = packet;
    const isAnswer = transport === 'tcp' && (flags & (SYN | ACK)) === (SYN | ACK);
    const forward: Tuple = { transport, client: source, server: target };
    const backward: Tuple = { transport, client: target, server: source };
    const known = this.#connections.get(tupleKey(forward)) ?? this.#connections.get(tupleKey(backward));
    const isReuse = known !== undefined && (flags & (SYN | ACK)) === SYN && known.ended.size > 0;
    const events: FlowEvent[] = [];
    const connection = known === undefined || isReuse ? this.#begin(isAnswer ? backward : forward, isReuse) : known;
    const { tuple } = connection;
    const from: Side = tuple.client.host === source.host && tuple.client.port === source.port ? 'client' : 'server';
    const event = (kind: FlowEvent['kind'], bytes: Buffer, isRepeat = false): void => {
      events.push({ kind, atMs, tuple, from, payload: bytes, isRepeat });
    };
    if (transport === 'udp') {
      event('data', payload);
      return events;
    }
    if ((flags & SYN) !== 0) {
      connection.places[from].next = (packet.sequence + 1) >>> 0;
      if (from === 'client') event('open', Buffer.alloc(0));
    }
    if (payload.length > 0) this.#data(connection.places[from], packet, event);
    if ((flags & FIN) !== 0) connection.ended.add(from);
    if ((flags & RST) !== 0 || (connection.ended.size === 2 && (flags & FIN) !== 0)) {
      connection.ended.add('client').add('server');
      event('close', Buffer.alloc(0));
    }
    return events;
  }

  #begin(tuple: Tuple, isReuse: boolean): Connection {
    if (isReuse) this.#connections.delete(tupleKey(tuple));
    const connection: Connection = {
      tuple,
      places: { client: { next: null }, server: { next: null } },
      ended: new Set(),
    };
    this.#connections.set(tupleKey(tuple), connection);
    return connection;
  }

  #data(
    place: Place,
    { sequence, payload }: IpPacket,
    event: (kind: 'data', bytes: Buffer, isRepeat?: boolean) => void,
  ): void {
    const seen = place.next === null ? 0 : Math.max(0, distance(sequence, place.next));
    if (seen >= payload.length) {
      event('data', payload, true);
      return;
    }
    place.next = (sequence + payload.length) >>> 0;
    event('data', payload.subarray(seen));
  }
}

/**
 * Judges a capture file (pcap or pcapng; Ethernet, raw IP or Linux cooked; IPv4 and IPv6). The same file, policies and seed give the same log; its times
 * count from the first packet, and flows have numbers and no addresses. Throws `CaptureError`.
 */
export function judgePcap(
  file: Buffer,
  policies: readonly Policy[],
  { seed = 1, startHour }: { readonly seed?: number | undefined; readonly startHour?: number | undefined } = {},
): CaptureJudgement {
  const captured = readCapture(file);
  const startMs = captured[0]?.atMs ?? 0;
  const maker = new EventMaker();
  const events = captured.flatMap((packet) => {
    const read = readIpPacket(packet);
    return read === null ? [] : maker.make(read, packet.atMs - startMs);
  });
  let flows = 0;
  const judged = policies.map((policy) => {
    const log: VerdictLine[] = [];
    const onVerdict = (line: VerdictLine) => void log.push(line);
    const engine = new CensorEngine([policy], {
      random: new SeededRandom(seed),
      tooFast: 'lost',
      startHour,
      onVerdict,
    });
    for (const event of events) engine.judge(event);
    flows = engine.counts.flows;
    return { id: policy.id, acted: [...new Set(log.map(({ flow }) => flow))], log };
  });
  return { packets: captured.length, flows, policies: judged };
}
