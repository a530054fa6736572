// Whether a TLS handshake inside a connection shows by the sizes of its first packets, as two engines judge it:
//
//   nDPI     its heuristic for obfuscated TLS (src/lib/protocols/tls.c, October 2024), after D. Xue et al., "Fingerprinting Obfuscated Proxy
//            Traffic with Encapsulated TLS Handshakes", USENIX Security 2024
//   OpenGFW  its `trojan` analyzer: a decision tree over four sums
//
// Both add up bursts: packets that follow one another in the same direction. Sizes in, verdict out.
import { OPENGFW_REGIONS, type Region } from './opengfw-regions.ts';

/** A packet with payload, in the order on the wire. */
export interface Packet {
  readonly from: 'client' | 'server';
  readonly bytes: number;
  /** Whether it begins with a ChangeCipherSpec record, at which both engines begin to count where the outer protocol is TLS. */
  readonly isChangeCipherSpec?: boolean | undefined;
}

/** A judgement on one connection. */
export interface InnerHandshakeVerdict {
  readonly isFlagged: boolean;
  /** How far the nearest set of bursts is from the region, in the engine's unit; 0 or less: inside. Infinite when there was no whole set. */
  readonly margin: number;
  /** The bytes of the four bursts that came nearest. */
  readonly nearest: readonly number[] | null;
}

type Four = readonly [number, number, number, number];

/** One of nDPI's models: a multivariate normal distribution of four sums. */
interface Model {
  readonly name: string;
  readonly mean: Four;
  /** The inverse covariance; symmetric. */
  readonly inverse: readonly [Four, Four, Four, Four];
  readonly distance: number;
  readonly leastFirstBytes: number;
}

const MODELS: readonly Model[] = [
  {
    name: 'TLS 1.2',
    mean: [212.883690341977, 4514.71195039459, 107.770762871101, 307.580232995115],
    inverse: [
      [2.92421113167604e-4, 4.43677617831228e-7, -5.69966093492813e-5, -2.18124698406311e-6],
      [4.43677617831228e-7, 5.98954952745268e-7, -3.59798436724817e-7, 5.71638172955893e-7],
      [-5.69966093492813e-5, -3.59798436724817e-7, 7.6893788148309e-4, 2.22278496185964e-5],
      [-2.18124698406311e-6, 5.71638172955893e-7, 2.22278496185964e-5, 5.72770077086287e-5],
    ],
    distance: 3.5,
    leastFirstBytes: 0,
  },
  {
    name: 'TLS 1.3, Firefox',
    mean: [640.657378447541, 4649.30338356554, 448.408302530566, 1094.2013079329],
    inverse: [
      [3.08030337925007e-5, 1.16179172096944e-7, 1.05356744968627e-7, 3.8862884355278e-8],
      [1.16179172096944e-7, 6.93179117519316e-7, 2.77413220880937e-8, -3.63723200682445e-9],
      [1.05356744968627e-7, 2.77413220880937e-8, 1.0260950589675e-6, -1.08769813590053e-8],
      [3.88628843552779e-8, -3.63723200682445e-9, -1.08769813590053e-8, 8.63307792288604e-8],
    ],
    distance: 3,
    leastFirstBytes: 517,
  },
  {
    name: 'TLS 1.3, Chrome',
    mean: [1850.43045387994, 4903.07735480722, 785.25280624695, 1051.22303562714],
    inverse: [
      [6.72374390966642e-6, -2.32109583941723e-8, 6.67140014394388e-8, 1.2526322628285e-8],
      [-2.32109583941723e-8, 5.64668947932086e-7, 4.58963631972597e-8, 6.41254684791958e-9],
      [6.67140014394388e-8, 4.58963631972597e-8, 6.04057768431344e-7, -9.1507432597718e-10],
      [1.2526322628285e-8, 6.41254684791958e-9, -9.1507432597718e-10, 1.01184796635481e-7],
    ],
    distance: 3,
    leastFirstBytes: 0,
  },
];

/** A first burst of more packets is no hello, says nDPI. */
const MOST_FIRST_PACKETS = 3;
/** nDPI's default of `tls.heuristics_max_packets`. */
const NDPI_PACKETS = 25;
/** What nDPI takes off each packet when the outer protocol is TLS. */
const NDPI_TLS_OVERHEAD_BYTES = 24;

const OUTSIDE: InnerHandshakeVerdict = { isFlagged: false, margin: Number.POSITIVE_INFINITY, nearest: null };

interface Burst {
  readonly from: Packet['from'];
  bytes: number;
  packets: number;
}

function burstsOf(packets: readonly Packet[], overheadBytes: number): Burst[] {
  const bursts: Burst[] = [];
  for (const { from, bytes } of packets) {
    const last = bursts.at(-1);
    if (last?.from === from) {
      last.bytes += bytes - overheadBytes;
      last.packets += 1;
    } else bursts.push({ from, bytes: bytes - overheadBytes, packets: 1 });
  }
  return bursts;
}

/** The Mahalanobis distance of four sums to a model's mean. */
function distanceTo(model: Model, sums: readonly number[]): number {
  const off = model.mean.map((mean, index) => (sums[index] ?? 0) - mean);
  let square = 0;
  for (const [row, weights] of model.inverse.entries()) {
    for (const [column, weight] of weights.entries()) square += weight * (off[row] ?? 0) * (off[column] ?? 0);
  }
  return Math.sqrt(square);
}

function nearer(a: InnerHandshakeVerdict, b: InnerHandshakeVerdict): InnerHandshakeVerdict {
  return a.margin <= b.margin ? a : b;
}

function verdictOf(margin: number, nearest: readonly number[]): InnerHandshakeVerdict {
  return { isFlagged: margin <= 0, margin, nearest };
}

/** What is left once a client, and for nDPI a server too, has sent its ChangeCipherSpec. */
function afterChangeCipherSpec(packets: readonly Packet[]): Packet[] {
  const seen = { client: false, server: false };
  return packets.filter((packet) => {
    if (seen[packet.from]) return true;
    seen[packet.from] = packet.isChangeCipherSpec === true;
    return false;
  });
}

/** The part of the model's distance by which the sums are outside; the first burst may also be too short for it, or have too many packets. */
function judgeSet(sums: readonly number[], firstPackets: number): number {
  if (firstPackets > MOST_FIRST_PACKETS) return Number.POSITIVE_INFINITY;
  const margins = MODELS.filter((model) => (sums[0] ?? 0) >= model.leastFirstBytes).map(
    (model) => distanceTo(model, sums) - model.distance,
  );
  return Math.min(Number.POSITIVE_INFINITY, ...margins);
}

/**
 * nDPI's judgement. `outer`: `tls` where it knows the connection for TLS or WebSocket over it, `unknown` where it could not name it. The margin is
 * in units of the models' standard deviations.
 */
export function judgeByNdpi(packets: readonly Packet[], outer: 'tls' | 'unknown'): InnerHandshakeVerdict {
  const isTls = outer === 'tls';
  const counted = (isTls ? afterChangeCipherSpec(packets) : packets).slice(0, NDPI_PACKETS + 1);
  if (counted[0]?.from !== 'client') return OUTSIDE;
  const overheadBytes = isTls ? NDPI_TLS_OVERHEAD_BYTES : 0;
  const tooSmall = counted.findIndex(({ bytes }) => bytes < overheadBytes);
  const bursts = burstsOf(tooSmall === -1 ? counted : counted.slice(0, tooSmall), overheadBytes);
  let verdict = OUTSIDE;
  // The fifth burst ends a set, and begins the next but one.
  for (let start = 0; start + 4 < bursts.length; start += 2) {
    const set = bursts.slice(start, start + 4);
    const sums = set.map(({ bytes }) => bytes);
    verdict = nearer(verdict, verdictOf(judgeSet(sums, set[0]?.packets ?? 0), sums));
  }
  return verdict;
}

/** By how many bytes each sum would have to change at most for the four to be in the region; 0 inside. */
function gapTo(region: Region, sums: readonly number[]): number {
  const gaps = region.map(([least, most], index) => {
    const sum = sums[index] ?? 0;
    return Math.max(least - sum, sum - most, 0);
  });
  return Math.max(...gaps);
}

/**
 * OpenGFW's judgement. It counts from the client's ChangeCipherSpec on, and so never begins where there is none; with `fromStart` it is asked what it
 * would say if it began at the first packet. The margin is in bytes.
 */
export function judgeByOpenGfw(
  packets: readonly Packet[],
  { fromStart }: { readonly fromStart: boolean },
): InnerHandshakeVerdict {
  const begin = fromStart
    ? 0
    : packets.findIndex(({ from, isChangeCipherSpec }) => from === 'client' && isChangeCipherSpec);
  const bursts = begin === -1 ? [] : burstsOf(packets.slice(begin), 0);
  if (bursts.length < 5) return OUTSIDE;
  const sums = bursts.slice(0, 4).map(({ bytes }) => bytes);
  const margin = Math.min(...OPENGFW_REGIONS.map((region) => gapTo(region, sums)));
  return verdictOf(margin, sums);
}
