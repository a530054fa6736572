// Traffic that a rule has to find (its known-bad control) or to let pass, made from the few words that rule files have for it. A rule that does not
// find what it was written for would make every transport look good.
import { SeededRandom } from '@rozan/tunnel/testing';
import { CensorEngine } from './engine.ts';
import type { FlowEvent, Side, Tuple } from './flow.ts';
import { openings } from './openings.ts';
import type { Policy } from './policy-file.ts';
import type { Traffic } from './schema.ts';
import type { Outcome } from './verdict.ts';

/** What a path does with the packets of one flow. */
export interface FlowFate {
  /** Whether any rule has acted on it. */
  readonly isHit: boolean;
  /** The first outcome that was not a pass. */
  readonly outcome: Outcome['act'] | 'delay' | 'probe' | null;
}

const SERVER = '203.0.113.7';
const CLIENT = '198.51.100.23';
const STEP_MS = 20;
/** Between packets of what follows an opening, which comes as fast as a fast line has it. */
const FAST_STEP_MS = 2;
const SEGMENT_BYTES = 1400;
const FIRST_PORT = 50_000;
const PORTS = 15_000;

type Packet = readonly [from: Side, bytes: Buffer];

/** The packets of one flow, with the times at which they come. */
export function flowOf(traffic: Traffic, index: number, random: SeededRandom): FlowEvent[] {
  const opening = openings.get(traffic.traffic);
  if (opening === undefined) {
    throw new RangeError(`no traffic is called ${traffic.traffic}; there are ${[...openings.keys()].join(', ')}`);
  }
  const { transport, port, packets } = opening(random, traffic.name ?? 'www.example.com');
  const tuple: Tuple = {
    transport,
    client: { host: CLIENT, port: traffic.sourcePort ?? FIRST_PORT + (index % PORTS) },
    server: { host: traffic.server ?? SERVER, port: traffic.port ?? port },
  };
  const all: Packet[] = [...packets];
  const more = traffic.packets ?? Math.ceil((traffic.bytes ?? 0) / SEGMENT_BYTES);
  while (all.length < more) all.push([all.length % 2 === 0 ? 'client' : 'server', random.bytes(SEGMENT_BYTES)]);
  const startMs = index * STEP_MS * 5;
  const events: FlowEvent[] = [];
  const nothing = Buffer.alloc(0);
  if (transport === 'tcp') events.push({ kind: 'open', atMs: startMs, tuple, from: 'client', payload: nothing });
  for (const [place, [from, payload]] of all.entries()) {
    const slow = Math.min(place + 1, packets.length);
    const atMs = startMs + STEP_MS * slow + FAST_STEP_MS * (place + 1 - slow);
    events.push({ kind: 'data', atMs, tuple, from, payload });
  }
  if (traffic.seconds !== undefined) {
    const lateMs = startMs + traffic.seconds * 1000;
    // A policer is seen only where more comes than it lets burst.
    for (let place = 0; place < 12; place++) {
      const payload = random.bytes(SEGMENT_BYTES);
      events.push({ kind: 'data', atMs: lateMs + place, tuple, from: 'server', payload });
    }
  }
  return events;
}

/** Sends traffic past a policy, `flows` connections at once where the traffic says so, and tells what became of the last of them. */
export function sendPast(policy: Policy, traffic: Traffic, seed: number): FlowFate {
  const random = new SeededRandom(seed);
  let outcome: FlowFate['outcome'] = null;
  const flows = traffic.flows ?? 1;
  const engine = new CensorEngine([policy], {
    random,
    tooFast: 'lost',
    startHour: traffic.hour,
    onVerdict: ({ flow, act }) => {
      if (flow === flows) outcome ??= act;
    },
  });
  const events = Array.from({ length: flows }, (_, index) => flowOf(traffic, index, random)).flat();
  events.sort((a, b) => a.atMs - b.atMs);
  for (const event of events) engine.judge(event);
  return { isHit: outcome !== null, outcome };
}

/** The share of `tries` flows of a policy's own control on which it acts: 1, or what it samples. */
export function hitRate(policy: Policy, { tries, seed }: { readonly tries: number; readonly seed: number }): number {
  let hits = 0;
  for (let one = 0; one < tries; one++) {
    const traffic = policy.hits[one % policy.hits.length];
    if (traffic !== undefined && sendPast(policy, traffic, seed + one).isHit) hits += 1;
  }
  return hits / tries;
}
