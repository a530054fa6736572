// C11 to C17, C26, C36 and C37: what acts by what is said in the clear.
import { type Exact, type Measured, tcp, udp } from './described.ts';
import {
  appData,
  cryptoFrame,
  dnsOverTcp,
  dnsQuery,
  ECH,
  ESNI,
  extension,
  HELLO,
  HELLO_JA4,
  helloFor,
  messageOf,
  noise,
  quicInitial,
  RESPONSE,
  request,
} from './wire-bytes.ts';

type Steps = Exact['steps'];
const web = tcp(443);
const BLOCKED = 'blocked.example';
const FREE = 'www.example.org';
const flows = (port: number, from = 40_000) => tcp(port, { from });
/** A hello whose first packet ends within the name. */
const halves = (hello: Buffer): readonly [Buffer, Buffer] => [hello.subarray(0, 64), hello.subarray(64)];

/** What every reader of names in TLS does: names, names below them, whatever the case and port; nothing else. */
function byName(of: readonly string[], act: string): Exact[] {
  const [first, rest] = halves(helloFor(BLOCKED));
  return of.map((id) => ({
    of: [id],
    says: '§2: a ClientHello for a listed name or one below it, on any port, put together from packets; other names, HTTP and UDP pass',
    steps: [
      ...[BLOCKED, `www.${BLOCKED}`, BLOCKED.toUpperCase()].map(
        (name, at) => [at, flows(443, 4000 + at).up(helloFor(name)), act] as const,
      ),
      [10, tcp(8443, { server: '203.0.113.8' }).up(helloFor(BLOCKED)), act],
      [20, tcp(444, { server: '203.0.113.9' }).up(first), 'pass'],
      [20.1, tcp(444, { server: '203.0.113.9' }).up(rest), act],
      ...[FREE, `un${BLOCKED}`, `${BLOCKED}.org`, null].map(
        (name, at) =>
          [30 + at, tcp(443, { server: '203.0.113.10', from: 5000 + at }).up(helloFor(name)), 'pass'] as const,
      ),
      [40, tcp(80, { server: '203.0.113.10' }).up(request(BLOCKED)), 'pass'],
      [41, udp(443, { server: '203.0.113.10' }).up(quicInitial(cryptoFrame(0, messageOf(helloFor(BLOCKED))))), 'pass'],
    ],
  }));
}

/** What a tuple that is remembered meets, at ages in seconds; `from` another port of the client's too, if `wide`. */
function remembered(
  of: string,
  says: string,
  {
    hello,
    acts,
    seconds,
    wide,
  }: { hello: Buffer; acts: readonly [first: string, later: string]; seconds: number; wide: boolean },
): Exact {
  const [first, later] = acts;
  const same = wide ? flows(443, 4001) : flows(443, 4000);
  return {
    of: [of],
    says,
    steps: [
      [0, flows(443, 4000).up(hello), first],
      [1, tcp(443, { from: 4000, client: '198.51.100.24' }).up(HELLO), 'pass'],
      [2, flows(8443, 4000).up(HELLO), 'pass'],
      [3, tcp(443, { from: 4000, server: '203.0.113.8' }).up(HELLO), 'pass'],
      [4, flows(443, 4002).up(HELLO), wide ? later : 'pass'],
      ...(wide ? [] : [[5, flows(443, 4000).close(), 'pass'] as const]),
      [seconds - 0.001, same.up(HELLO), later],
      ...(wide
        ? [[seconds, flows(443, 4003).up(HELLO), 'pass'] as const]
        : [[seconds - 0.001, same.close(), 'pass'] as const, [seconds, same.up(HELLO), 'pass'] as const]),
    ],
  };
}

/** A null route that each retransmission renews. */
function renewed(of: string, seconds: number): Exact {
  const flow = flows(443, 4000);
  return {
    of: [of],
    says: `§2 C13: ${seconds} s on the 4-tuple; each retransmission of the victim's restarts the timer, and nothing else does`,
    steps: [
      [0, flow.up(helloFor(BLOCKED)), 'drop both'],
      [10, flow.up(appData(9)), 'drop both'],
      [seconds - 10, flow.again(helloFor(BLOCKED)), 'drop both'],
      [seconds - 9, flow.close(), 'pass'],
      [2 * seconds - 10.001, flow.up(HELLO), 'drop both'],
      [2 * seconds - 10.001, flow.close(), 'pass'],
      [2 * seconds - 10, flow.up(HELLO), 'pass'],
    ],
  };
}

const dns = udp(53);
const forgedDns = (of: string, address: string, then: string): Exact => ({
  of: [of],
  says: '§2 C11: the answer to a query for a listed name is forged, each time; other names, and what servers send, pass',
  steps: [
    [0, dns.up(dnsQuery(BLOCKED)), `forge ${address}, then ${then}`],
    [1, dns.up(dnsQuery(`a.b.${BLOCKED}`)), `forge ${address}, then ${then}`],
    [2, dns.up(dnsQuery(BLOCKED.toUpperCase())), `forge ${address}, then ${then}`],
    [3, dns.up(dnsQuery(FREE)), 'pass'],
    [4, dns.up(dnsQuery(`un${BLOCKED}`)), 'pass'],
    [5, dns.up(noise(40)), 'pass'],
    [6, udp(53, { from: 4001 }).down(dnsQuery(BLOCKED)), 'pass'],
    [7, dns.up(dnsQuery(BLOCKED)), `forge ${address}, then ${then}`],
    [8, dns.down(dnsQuery(BLOCKED)), 'pass'],
  ],
});

const twoPackets = (bytes: Buffer, at: number): readonly [Buffer, Buffer] => [
  bytes.subarray(0, at),
  bytes.subarray(at),
];
const [HOST_FIRST, HOST_REST] = twoPackets(request(BLOCKED), 30);

/** Hosts in HTTP: any TCP port. */
function byHost(of: string, act: string, settings?: Exact['settings']): Exact {
  return {
    of: [of],
    says: '§2 C12: a request for a listed host, on every TCP port, with its state kept over packets; others pass',
    ...(settings === undefined ? {} : { settings }),
    steps: [
      [0, tcp(80).up(request(BLOCKED)), act],
      [1, tcp(8080).up(request(`www.${BLOCKED}:8080`, 'POST')), act],
      [2, tcp(81).up(HOST_FIRST), 'pass'],
      [2.1, tcp(81).up(HOST_REST), act],
      [3, tcp(82).up(request(FREE)), 'pass'],
      [4, tcp(83).up(request(`un${BLOCKED}`)), 'pass'],
      [5, tcp(84).up(helloFor(BLOCKED)), 'pass'],
      [6, tcp(85).up(Buffer.from(`Host: ${BLOCKED}\r\n\r\n`)), 'pass'],
    ],
  };
}

const initial = (name: string) => quicInitial(cryptoFrame(0, messageOf(helloFor(name))));

export const TRIES: readonly Measured[] = [
  {
    of: ['C12-reset'],
    says: '§2 C12: effective in ~50–75 % of tries',
    packets: () =>
      Array.from({ length: 4000 }, (_, at) => [at * 91, tcp(80, { from: 2000 + at }).up(request(BLOCKED))] as const),
    counts: 'share',
    which: (verdict) => verdict === 'reset both',
    from: 0.57,
    to: 0.63,
  },
  {
    of: ['C15'],
    says: '§2 C15: both directions at 130–150 kbit/s: down',
    packets: function* () {
      yield [0, web.up(helloFor('t.co'))] as const;
      for (let at = 1; at <= 4000; at++) yield [at / 100, web.down(noise(1000))] as const;
    },
    counts: 'rate',
    which: (verdict, from) => verdict === 'pass' && from === 'server',
    from: 130_000 / 8,
    to: 150_000 / 8,
  },
  {
    of: ['C15'],
    says: '§2 C15: both directions at 130–150 kbit/s: up',
    packets: function* () {
      yield [0, web.up(helloFor('t.co'))] as const;
      for (let at = 1; at <= 4000; at++) yield [at / 100, web.up(noise(1000))] as const;
    },
    counts: 'rate',
    which: (verdict, from) => verdict === 'pass' && from === 'client',
    from: 130_000 / 8,
    to: 150_000 / 8,
  },
];

/** So much at once behind a first packet: policed, or not. */
function burst(from: number, at: number, [first, verdict]: readonly [Buffer, string]): Steps {
  const flow = flows(443, from);
  const sizes = [0, 1, 2].map(
    (index) => [at + index / 1000, flow.down(noise(1400)), index < 2 ? 'pass' : verdict] as const,
  );
  return [[at, flow.up(first), 'pass'], ...sizes];
}

export const NAMES: readonly Exact[] = [
  forgedDns('C11-in-path', '10.10.34.36', 'drop'),
  forgedDns('C11-on-path', '203.0.113.99', 'pass'),
  byHost('C12-page', 'forge HTTP/1.1 403, then reset'),
  byHost('C12-reset', 'reset both', { chance: 1 }),
  {
    of: ['C12-page'],
    says: '§2 C12: in Iran the connection is over behind the page, and nothing is remembered',
    steps: [
      [0, tcp(80).up(request(BLOCKED)), 'forge HTTP/1.1 403, then reset'],
      [1, tcp(80).down(RESPONSE), 'reset both'],
      [2, tcp(80, { from: 4001 }).up(request(FREE)), 'pass'],
    ],
  },
  {
    ...remembered('C12-reset', '§2 C12: 90 s on the 3-tuple', {
      hello: request(BLOCKED),
      acts: ['reset both', 'reset both'],
      seconds: 90,
      wide: true,
    }),
    settings: { chance: 1 },
  },
  ...byName(['C13-cn', 'C13-ir-2025'], 'reset both'),
  ...byName(['C13-ir-2021', 'C13-kz'], 'drop both'),
  ...byName(['C36'], 'drop both').map((one) => ({ ...one, settings: { names: [BLOCKED] } })),
  ...byName(['C37'], 'forge HTTP/1.1 200, then reset'),
  {
    of: ['C36'],
    says: '§2 C36: the front of a rendezvous, cdn.sstatic.net',
    steps: [
      [0, web.up(helloFor('cdn.sstatic.net')), 'drop both'],
      [1, flows(443).up(helloFor('sstatic.net')), 'pass'],
      [2, flows(443, 4001).up(helloFor('cdn.ampproject.org')), 'pass'],
    ],
  },
  remembered('C13-cn', '§2 C13: residual up to 360 s in China, by resets, on address and port', {
    hello: helloFor(BLOCKED),
    acts: ['reset both', 'reset both'],
    seconds: 360,
    wide: true,
  }),
  {
    of: ['C13-ir-2025', 'C17', 'C37'],
    says: '§2 C13, C17: nothing is remembered',
    steps: [
      [0, flows(443, 4000).up(HELLO), 'pass'],
      [1, flows(443, 4001).up(helloFor(FREE)), 'pass'],
    ],
  },
  {
    of: ['C13-ir-2025'],
    says: '§2 C13: in Iran in 2025 one reset, and the next connection is free',
    steps: [
      [0, flows(443, 4000).up(helloFor(BLOCKED)), 'reset both'],
      [0.1, flows(443, 4001).up(HELLO), 'pass'],
    ],
  },
  remembered('C13-ir-2021', '§2 C13: 180 s on the 4-tuple', {
    hello: helloFor(BLOCKED),
    acts: ['drop both', 'drop both'],
    seconds: 180,
    wide: false,
  }),
  remembered('C13-kz', '§2 C13: 120 s on the 4-tuple', {
    hello: helloFor(BLOCKED),
    acts: ['drop both', 'drop both'],
    seconds: 120,
    wide: false,
  }),
  renewed('C13-ir-2021', 180),
  renewed('C13-kz', 120),
  {
    of: ['C14'],
    says: '§2 C14: the handshake passes, then packets are dropped after a handful (5–8, recalled; here the seventh)',
    steps: [
      [0, web.up(helloFor(BLOCKED)), 'pass'],
      ...Array.from(
        { length: 5 },
        (_, at) => [0.1 + at / 10, at % 2 === 0 ? web.down(appData(900)) : web.up(appData(60)), 'pass'] as const,
      ),
      [1, web.down(appData(900)), 'drop both'],
      [1.1, web.up(appData(9)), 'drop both'],
      ...Array.from(
        { length: 12 },
        (_, at) => [2 + at / 10, flows(443).up(at === 0 ? helloFor(FREE) : appData(9)), 'pass'] as const,
      ),
    ],
  },
  {
    of: ['C15'],
    says: '§2 C15: matched by substring (reddit.com has t.co in it); looks at the first packet: a random one first, or a hello in two packets, defeats it',
    steps: [
      ...burst(4000, 0, [helloFor('reddit.com'), 'police']),
      ...burst(4001, 1, [helloFor('microsoft.com'), 'police']),
      ...burst(4002, 2, [helloFor('abs.twimg.com'), 'police']),
      ...burst(4003, 3, [helloFor('api.twitter.com'), 'police']),
      ...burst(4004, 4, [helloFor('www.example.org'), 'pass']),
      ...burst(4005, 5, [helloFor('tco.example'), 'pass']),
      [6, flows(443, 4006).up(noise(50)), 'pass'],
      ...burst(4006, 6.1, [helloFor('t.co'), 'pass']),
      [7, flows(443, 4007).up(halves(helloFor('abs.twimg.com'))[0]), 'pass'],
      ...burst(4007, 7.1, [halves(helloFor('abs.twimg.com'))[1], 'pass']),
    ],
  },
  {
    of: ['C16-esni'],
    says: '§2 C16: extension 0xffce → the client’s packets are dropped, on all ports; what the server sends passes',
    steps: [
      [0, web.up(helloFor(FREE, [ESNI])), 'drop up'],
      [0.1, web.down(appData(9)), 'pass'],
      [1, tcp(8443).up(helloFor(null, [ESNI])), 'drop up'],
      [2, tcp(444).up(helloFor(FREE, [ECH])), 'pass'],
      [3, tcp(445).up(helloFor(FREE, [extension(0xffcd, noise(9))])), 'pass'],
      [4, tcp(446).up(HELLO), 'pass'],
    ],
  },
  remembered('C16-esni', '§2 C16: for 120–180 s on client, server and port', {
    hello: helloFor(FREE, [ESNI]),
    acts: ['drop up', 'drop up'],
    seconds: 180,
    wide: true,
  }),
  {
    of: ['C16-esni'],
    says: '§2 C16: not renewed, by nothing',
    steps: [
      [0, flows(443, 4000).up(helloFor(FREE, [ESNI])), 'drop up'],
      [100, flows(443, 4000).again(helloFor(FREE, [ESNI])), 'drop up'],
      [101, flows(443, 4001).up(helloFor(FREE, [ESNI])), 'drop up'],
      [150, flows(443, 4002).down(appData(9)), 'pass'],
      [180, flows(443, 4003).up(HELLO), 'pass'],
    ],
  },
  {
    of: ['C16-ech'],
    says: '§2 C16: SNI cloudflare-ech.com and an ECH extension, TCP and QUIC → drop; either alone passes',
    steps: [
      [0, web.up(helloFor('cloudflare-ech.com', [ECH])), 'drop both'],
      [1, udp(443).up(quicInitial(cryptoFrame(0, messageOf(helloFor('cloudflare-ech.com', [ECH]))))), 'drop both'],
      [2, flows(443, 4000).up(helloFor('cloudflare-ech.com')), 'pass'],
      [3, flows(443, 4001).up(helloFor(FREE, [ECH])), 'pass'],
      [4, flows(443, 4002).up(helloFor('www.cloudflare-ech.com', [ECH])), 'pass'],
      [5, udp(443, { from: 4003 }).up(initial('cloudflare-ech.com')), 'pass'],
      [6, udp(443, { from: 4004 }).up(quicInitial(cryptoFrame(0, messageOf(helloFor(FREE, [ECH]))))), 'pass'],
      [
        7,
        udp(443, { from: 4005 }).up(quicInitial(cryptoFrame(0, messageOf(helloFor('www.cloudflare-ech.com', [ECH]))))),
        'pass',
      ],
    ],
  },
  {
    of: ['C17'],
    says: '§2 C17: SNI or Host → a reset to the client only; no reassembly, nothing remembered',
    steps: [
      [0, flows(443, 4000).up(helloFor(BLOCKED)), 'reset client'],
      [1, flows(443, 4001).up(HELLO), 'pass'],
      [2, flows(80, 4002).up(request(`a.${BLOCKED}`)), 'reset client'],
      [3, flows(80, 4003).up(request(FREE)), 'pass'],
      [4, flows(443, 4004).up(halves(helloFor(BLOCKED))[0]), 'pass'],
      [4.1, flows(443, 4004).up(halves(helloFor(BLOCKED))[1]), 'pass'],
      [5, flows(80, 4005).up(HOST_FIRST), 'pass'],
      [5.1, flows(80, 4005).up(HOST_REST), 'pass'],
      [6, udp(443).up(initial(BLOCKED)), 'pass'],
    ],
  },
  {
    of: ['C26'],
    says: '§2 C26: one of several ClientHellos is dropped by its fingerprint, whatever the name; another passes',
    settings: { fingerprints: [HELLO_JA4] },
    steps: [
      [0, web.up(HELLO), 'drop both'],
      [1, flows(8443, 4000).up(helloFor(FREE)), 'drop both'],
      [2, flows(443, 4001).up(helloFor(FREE, [extension(0x1234, noise(4))])), 'pass'],
      [3, flows(443, 4002).up(helloFor(null)), 'pass'],
      [4, flows(443, 4003).up(dnsOverTcp(FREE)), 'pass'],
    ],
  },
];
