// C19, C33 and C34: what acts by how many connections there are, and by what they carry.
import { type Exact, tcp, udp } from './described.ts';
import { appData, HELLO, noise, request, SSH, wireguard } from './wire-bytes.ts';

const HTTP = request('www.example.org');
type Steps = Exact['steps'];
const pass = (count: number): string[] => Array<string>(count).fill('pass');

/** Packets behind a first, each from the side of its letter; what is done to each. */
function carried(
  flow: ReturnType<typeof tcp>,
  first: Buffer,
  { sides, size, at, verdicts }: { sides: string; size: number; at: number; verdicts: readonly string[] },
): Steps {
  return verdicts.map((verdict, index) => {
    const side = index === 0 ? 'u' : (sides[index % sides.length] ?? 'u');
    const payload = index === 0 ? first : noise(size);
    return [at + index / 1000, side === 'u' ? flow.up(payload) : flow.down(payload), verdict] as const;
  });
}

/** A flow of TLS on which so much goes both ways, the last of it after `age` seconds. */
function evenFlow(
  index: number,
  {
    at = 0,
    age = 60,
    up = 10_000,
    down = 10_000,
    first = HELLO,
    server = '203.0.113.7',
    verdict = 'pass',
  }: { at?: number; age?: number; up?: number; down?: number; first?: Buffer; server?: string; verdict?: string },
): Steps {
  const flow = tcp(443, { from: 40_000 + index, server });
  return [
    [at, flow.open(), 'pass'],
    [at, flow.up(first), 'pass'],
    [at, flow.up(noise(up - first.length - 9)), 'pass'],
    [at, flow.down(noise(down)), 'pass'],
    [at + age, flow.up(noise(9)), verdict],
  ];
}

const inOrder = (steps: Steps): Steps => [...steps].sort(([a], [b]) => a - b);
const fourEven = (more: Parameters<typeof evenFlow>[1] = {}): Steps =>
  [0, 1, 2, 3].flatMap((index) => evenFlow(index, { at: index / 10, ...more }));

/** So many flows that are open at once; the number of the first that is met when it says something. */
function atOnce(count: number, limit: number, first: Buffer): Steps {
  return Array.from({ length: count }, (_, index) => {
    const flow = tcp(443, { from: 40_000 + index });
    const verdict = index + 1 > limit ? 'drop both' : 'pass';
    return [[index, flow.open(), 'pass'] as const, [index + 0.1, flow.up(first), verdict] as const];
  }).flat();
}

function limited(of: string, limit: number): Exact[] {
  return [
    {
      of: [of],
      says: `§2 C33: more than ${limit} parallel TLS connections to one host → all stall as soon as data flows`,
      steps: [
        ...atOnce(limit + 1, limit, HELLO),
        [90, tcp(443, { from: 40_000 }).down(appData(100)), 'drop both'],
        [91, tcp(443, { from: 39_000, server: '203.0.113.8' }).up(HELLO), 'pass'],
        [92, tcp(443, { from: 39_000, client: '198.51.100.24' }).up(HELLO), 'pass'],
      ],
    },
    {
      of: [of],
      says: '§2 C33: what has ended does not count; what is not TLS is not met',
      steps: [
        ...atOnce(limit, limit, HELLO),
        [90, tcp(443, { from: 40_000 }).close(), 'pass'],
        [91, tcp(443, { from: 39_000 }).up(HELLO), 'pass'],
        [92, tcp(22, { from: 39_001 }).up(SSH), 'pass'],
        [93, tcp(22, { from: 39_001 }).down(SSH), 'pass'],
      ],
    },
  ];
}

export const CONNECTION_SHAPE: readonly Exact[] = [
  {
    of: ['C19'],
    says: '§2 C19: so many flows that live long, are even, and go to one address: the address is blocked (k = 5 is ours), for an hour (ours), for everybody',
    steps: inOrder([
      ...fourEven(),
      ...evenFlow(4, { at: 0.5, verdict: 'drop both' }),
      [61, tcp(22, { client: '198.51.100.24' }).open(), 'drop both'],
      [61, tcp(22, { server: '203.0.113.8' }).open(), 'pass'],
      [3660.499, tcp(80, { client: '198.51.100.25' }).open(), 'drop both'],
      [3660.5, tcp(80, { client: '198.51.100.26' }).open(), 'pass'],
    ]),
  },
  ...(
    [
      ['four such flows are not enough', {}],
      ['one that is younger does not count', { age: 59.999 }],
      ['one that is less than half even does not count', { up: 20_000, down: 9990 }],
      ['one that is not TLS does not count', { first: HTTP }],
      ['one that carries less than 20 kB does not count (ours)', { up: 10_000, down: 9999 }],
      ['one to another address does not count', { server: '203.0.113.8' }],
    ] as const
  ).map(([says, other], index) => ({
    of: ['C19'],
    says: `§2 C19: ${says}`,
    steps: inOrder(index === 0 ? fourEven() : [...evenFlow(5, { at: 0, ...other }), ...fourEven({ at: 1 })]),
  })),
  {
    of: ['C19'],
    says: '§2 C19: half even is enough (ours)',
    steps: inOrder([
      ...fourEven({ up: 14_000, down: 7000 }),
      ...evenFlow(4, { at: 0.5, up: 14_000, down: 7000, verdict: 'drop both' }),
    ]),
  },
  ...limited('C33-12', 12),
  ...limited('C33-24', 24),
  ...limited('C33-2', 2),
  {
    of: ['C34-bytes'],
    says: '§2 C34: > 15–20 KB from the server (here 16,000) → later packets silently vanish, both ways; TCP and UDP alike; what the client sends is not counted',
    steps: [
      ...carried(tcp(443), HELLO, { sides: 'd', size: 1000, at: 0, verdicts: [...pass(16), 'drop both', 'drop both'] }),
      ...carried(udp(51_820), wireguard(1, 148), {
        sides: 'd',
        size: 1000,
        at: 1,
        verdicts: [...pass(16), 'drop both'],
      }),
      ...carried(tcp(443, { from: 4000 }), HELLO, { sides: 'u', size: 1400, at: 2, verdicts: pass(40) }),
      [3, tcp(80).up(HTTP), 'pass'],
      [3.1, tcp(80).down(noise(15_999)), 'pass'],
      [3.2, tcp(80).down(noise(1)), 'drop both'],
    ],
  },
  {
    of: ['C34-packets'],
    says: '§2 C34: about 25 packets, incoming and outgoing both counted',
    steps: [
      ...carried(tcp(443), HELLO, { sides: 'ud', size: 10, at: 0, verdicts: [...pass(24), 'drop both', 'drop both'] }),
      ...carried(udp(51_820), wireguard(1, 148), { sides: 'd', size: 10, at: 1, verdicts: [...pass(24), 'drop both'] }),
    ],
  },
  {
    of: ['C34-each'],
    says: '§2 C34: or 25 of one direction (the source is unclear: both are here)',
    steps: [
      ...carried(tcp(443), HELLO, { sides: 'ud', size: 10, at: 0, verdicts: [...pass(48), 'drop both'] }),
      ...carried(tcp(443, { from: 4000 }), HELLO, {
        sides: 'u',
        size: 10,
        at: 1,
        verdicts: [...pass(24), 'drop both'],
      }),
      ...carried(udp(51_820), wireguard(1, 148), { sides: 'd', size: 10, at: 2, verdicts: [...pass(25), 'drop both'] }),
    ],
  },
  {
    of: ['C34-bytes', 'C34-packets', 'C34-each'],
    says: '§2 C34: SSH is exempt; a connection counts for itself',
    steps: [
      ...carried(tcp(22), SSH, { sides: 'ud', size: 1400, at: 0, verdicts: pass(80) }),
      ...[0, 1, 2].flatMap((index) =>
        carried(tcp(443, { from: 40_000 + index }), HELLO, {
          sides: 'd',
          size: 700,
          at: 1 + index,
          verdicts: pass(22),
        }),
      ),
    ],
  },
];
