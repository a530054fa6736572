// What is said of the policies that police and lose by a figure: C01 to C04, C10 and C24.
import { type Measured, type Sender, tcp, udp } from './described.ts';
import { dnsQuery, HELLO, noise, request, SSH, wireguard } from './wire-bytes.ts';

const HTTP = request('www.example.org');
const web = tcp(443);

/** Sends one way of a flow, `bytes` every `everyMs`, behind a first packet. */
function* streamOf(
  flow: Sender,
  first: Buffer,
  {
    side = 'down',
    seconds = 30,
    bytes = 1000,
    everyMs = 10,
  }: { side?: 'up' | 'down'; seconds?: number; bytes?: number; everyMs?: number } = {},
) {
  yield [0, flow.open()] as const;
  yield [0, flow.up(first)] as const;
  const payload = noise(bytes);
  for (let atMs = everyMs; atMs <= seconds * 1000; atMs += everyMs) yield [atMs / 1000, flow[side](payload)] as const;
}

const passing = (side: 'client' | 'server') => (verdict: string, from: string) => verdict === 'pass' && from === side;
const BASE = 6250;

function rate(
  of: string,
  says: string,
  {
    packets,
    side,
    around,
    slack = 0.1,
  }: { packets: Measured['packets']; side: 'client' | 'server'; around: number; slack?: number },
): Measured {
  return {
    of: [of],
    says,
    packets,
    counts: 'rate',
    which: passing(side),
    from: around * (1 - slack),
    to: around * (1 + slack),
  };
}

export const RATES: readonly Measured[] = [
  rate('C02-5', '§2 C02: policed to 0.05 of base (ours: 1 Mbit/s)', {
    packets: () => streamOf(web, HELLO),
    side: 'server',
    around: BASE,
  }),
  rate('C02-5', '§2 C02: what is not encrypted too, and what the client sends', {
    packets: () => streamOf(tcp(80), HTTP, { side: 'up' }),
    side: 'client',
    around: BASE,
  }),
  rate('C02-1', '§2 C02: to 0.01', {
    packets: () => streamOf(web, HELLO),
    side: 'server',
    around: BASE / 5,
    slack: 0.12,
  }),
  rate('C02-encrypted', '§2 C02, variant: only encrypted', {
    packets: () => streamOf(web, HELLO),
    side: 'server',
    around: BASE,
  }),
  rate('C04', '§2 C04: proxied TLS: upload < 1 Mbit/s', {
    packets: () => streamOf(web, HELLO, { side: 'up', everyMs: 4 }),
    side: 'client',
    around: 125_000,
  }),
  rate('C04', '§2 C04: download full', {
    packets: () => streamOf(web, HELLO, { everyMs: 4 }),
    side: 'server',
    around: 250_000,
  }),
  rate('C04', '§2 C04: TLS alone', {
    packets: () => streamOf(tcp(80), HTTP, { side: 'up', everyMs: 4 }),
    side: 'client',
    around: 250_000,
  }),
  rate('C24-throttle', '§1.1, §2 C24: SSH has 15 % of the line (ours: 1 Mbit/s)', {
    packets: () => streamOf(tcp(22), SSH),
    side: 'server',
    around: 18_750,
  }),
  ...['C01-tls-rate', 'C01-not-http-rate'].map((of) =>
    rate(of, '§2 C01, variant: rate → 0 from 60.0 s on, and not before', {
      packets: () => streamOf(web, HELLO, { seconds: 120, bytes: 20, everyMs: 20 }),
      side: 'server',
      around: (60 * 1000 + 1500 + 60 * 8) / 120,
      slack: 0.01,
    }),
  ),
  rate('C03-rate', '§2 C03: ≈ 0 bit/s for what does not begin as HTTP', {
    packets: () => streamOf(web, HELLO, { bytes: 20 }),
    side: 'server',
    around: (1500 + 30 * 8) / 30,
    slack: 0.03,
  }),
  ...(['15', '5', '50'] as const).map((share) => ({
    of: [`C10-${share}`],
    says: `§2 C10: ${share} % of what comes in is lost, of TCP and UDP alike`,
    packets: function* () {
      yield* streamOf(web, HELLO);
      for (let at = 0; at < (share === '5' ? 25_000 : 3000); at++)
        yield [60 + at / 1000, udp(51_820).down(wireguard(4, 96))] as const;
    },
    counts: 'share' as const,
    which: (verdict: string) => verdict === 'lose down',
    from: (Number(share) / 100) * 0.88,
    to: (Number(share) / 100) * 1.12,
  })),
  {
    of: ['C10-15', 'C10-5', 'C10-50'],
    says: '§2 C10: loss only inbound',
    packets: () => streamOf(web, HELLO, { side: 'up' }),
    counts: 'share',
    which: (verdict) => verdict !== 'pass',
    from: 0,
    to: 0,
  },
  {
    of: ['C04'],
    says: '§2 C04: UDP ≈ 50 % loss',
    packets: () =>
      Array.from({ length: 4000 }, (_, at) => [at / 100, udp(5201)[at % 2 === 0 ? 'up' : 'down'](noise(500))] as const),
    counts: 'share',
    which: (verdict) => verdict === 'lose both',
    from: 0.46,
    to: 0.54,
  },
  {
    of: ['C04'],
    says: '§2 C04: DNS is left alone (ours)',
    packets: () => Array.from({ length: 100 }, (_, at) => [at, udp(53).up(dnsQuery('example.org'))] as const),
    counts: 'share',
    which: (verdict) => verdict !== 'pass',
    from: 0,
    to: 0,
  },
];
