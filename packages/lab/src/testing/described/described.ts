// A policy's published description as packets: what comes when, and what the censor is said to do with it.
import { SeededRandom } from '@rozan/tunnel/testing';
import { CensorEngine } from '../../censor/engine.ts';
import type { FlowEvent, Side, Tuple } from '../../censor/flow.ts';
import type { Policy } from '../../censor/policy-file.ts';
import type { Setting } from '../../censor/schema.ts';
import type { Verdict } from '../../censor/verdict.ts';

/** Something that comes at a flow's place of the censor; the time is its step's. */
type Coming = Omit<FlowEvent, 'atMs'>;

/** What comes, and when: in seconds. */
type Step = readonly [seconds: number, coming: Coming, verdict: string];

/** A description, packet by packet. */
export interface Exact {
  /** The policies that it is of. */
  readonly of: readonly string[];
  /** What the source says, in short, and where the catalogue has it. */
  readonly says: string;
  readonly settings?: Readonly<Record<string, Setting>>;
  readonly startHour?: number;
  readonly steps: readonly Step[];
}

/** A description by a number: a share or a rate over many packets. */
export interface Measured {
  readonly of: readonly string[];
  readonly says: string;
  readonly settings?: Readonly<Record<string, Setting>>;
  /** What is sent. */
  packets(): Iterable<readonly [seconds: number, coming: Coming]>;
  /** Which of the verdicts count: their share (`share`), or their bytes in a second (`rate`). */
  readonly counts: 'share' | 'rate';
  readonly which: (verdict: string, from: Side) => boolean;
  /** What the share or rate is, at the least and at the most. */
  readonly from: number;
  readonly to: number;
}

/** A flow that things come of. */
export interface Sender {
  open(): Coming;
  up(payload: Buffer): Coming;
  down(payload: Buffer): Coming;
  /** The client's packet once more. */
  again(payload: Buffer): Coming;
  /** The time has come that the verdict before asked for. */
  tick(): Coming;
  close(): Coming;
}

export interface Ends {
  readonly client?: string;
  readonly from?: number;
  readonly server?: string;
}

function sender(transport: 'tcp' | 'udp', port: number, ends: Ends): Sender {
  const { client = '198.51.100.23', from: clientPort = 50_000, server = '203.0.113.7' } = ends;
  const tuple: Tuple = { transport, client: { host: client, port: clientPort }, server: { host: server, port } };
  const nothing = Buffer.alloc(0);
  const coming = (kind: FlowEvent['kind'], from: Side, payload: Buffer = nothing): Coming => ({
    kind,
    tuple,
    from,
    payload,
  });
  return {
    open: () => coming('open', 'client'),
    up: (payload) => coming('data', 'client', payload),
    down: (payload) => coming('data', 'server', payload),
    again: (payload) => ({ ...coming('data', 'client', payload), isRepeat: true }),
    tick: () => coming('tick', 'client'),
    close: () => coming('close', 'client'),
  };
}

export const tcp = (port: number, ends: Ends = {}): Sender => sender('tcp', port, ends);
export const udp = (port: number, ends: Ends = {}): Sender => sender('udp', port, ends);

/** A forged answer: the address in it, or its first line. */
function forged(answer: Buffer, { transport }: Tuple): string {
  return transport === 'udp'
    ? answer.subarray(-4).join('.')
    : (/^HTTP\S+ \d+/.exec(answer.toString('latin1'))?.[0] ?? '?');
}

/** A verdict in words: `pass`, `drop up`, `reset both`, `police`, `lose down`, `forge 10.10.34.36, then drop`; `pass, probe replay, server for 9 s`. */
export function verdictText({ outcome, probes }: Pick<Verdict, 'outcome' | 'probes'>, tuple: Tuple): string {
  const probed = probes.map(({ battery, block }) => `, probe ${battery}, ${block.per} for ${block.seconds} s`).join('');
  switch (outcome.act) {
    case 'drop':
      return `${outcome.scope === 'flow' ? 'drop' : 'lose'} ${outcome.ways}${probed}`;
    case 'reset':
      return `reset ${outcome.ends}${probed}`;
    case 'forge':
      return `forge ${forged(outcome.answer, tuple)}, then ${outcome.afterwards}${probed}`;
    default:
      return `${outcome.act}${probed}`;
  }
}

/** What a policy does with the steps of a description. */
export function verdictsOn(policy: Policy, { steps, startHour }: Exact): string[] {
  const engine = new CensorEngine([policy], { random: new SeededRandom(1), tooFast: 'lost', startHour });
  return steps.map(([seconds, coming]) =>
    verdictText(engine.judge({ ...coming, atMs: Math.round(seconds * 1000) }), coming.tuple),
  );
}

/** The share or rate that a description is about. */
export function measure(policy: Policy, { packets, counts, which }: Measured): number {
  const engine = new CensorEngine([policy], { random: new SeededRandom(1), tooFast: 'lost' });
  let [all, counted, bytes, lastSeconds] = [0, 0, 0, 0];
  for (const [seconds, coming] of packets()) {
    const text = verdictText(engine.judge({ ...coming, atMs: Math.round(seconds * 1000) }), coming.tuple);
    if (coming.kind !== 'data') continue;
    all += 1;
    lastSeconds = seconds;
    if (!which(text, coming.from)) continue;
    counted += 1;
    bytes += coming.payload.length;
  }
  return counts === 'share' ? counted / all : bytes / lastSeconds;
}
