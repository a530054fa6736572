// C01 to C10, C18, C20 and C21: what acts by age, first bytes, address and port.
import { type Exact, type Sender, tcp, udp } from './described.ts';
import {
  appData,
  dnsOverTcp,
  dnsQuery,
  HELLO,
  helloFor,
  noise,
  OPENVPN,
  openvpnOverTcp,
  request,
  SSH,
  STUN,
  wireguard,
} from './wire-bytes.ts';

const HTTP = request('www.example.org');
const CUTS = { reset: 'reset both', drop: 'drop both' } as const;
const web = tcp(443);
const DOMESTIC = '192.0.2.9';

/** C01 for one way of ending connections: TLS, or all but HTTP. */
function cutAt60(way: 'reset' | 'drop'): Exact[] {
  const cut = CUTS[way];
  return [
    {
      of: [`C01-tls-${way}`],
      says: '§2 C01: a flow of TLS that is 60.0 s old is ended, when something passes and when nothing does; whatever the port',
      steps: [
        [0, web.open(), 'pass'],
        [0.1, web.up(HELLO), 'pass'],
        [59.999, web.down(appData(500)), 'pass'],
        [60, web.down(appData(500)), cut],
        [100, tcp(8388).open(), 'pass'],
        [100.1, tcp(8388).up(HELLO), 'pass'],
        [159.999, tcp(8388).tick(), 'pass'],
        [160, tcp(8388).tick(), cut],
      ],
    },
    {
      of: [`C01-tls-${way}`],
      says: '§2 C01: SSH, HTTP, random bytes and UDP are left alone; a new connection counts for itself',
      steps: [SSH, HTTP, noise(300)].flatMap((first, index) => {
        const flow = tcp(443, { from: 40_000 + index });
        return [
          [0, flow.open(), 'pass'],
          [0.1, flow.up(first), 'pass'],
          [61, flow.down(noise(100)), 'pass'],
        ] as const;
      }),
    },
    {
      of: [`C01-not-http-${way}`],
      says: '§2 C01, variant b: anything but HTTP',
      steps: [
        ...[SSH, HELLO, noise(300)].flatMap((first, index) => {
          const flow = tcp(443, { from: 40_000 + index });
          return [
            [0, flow.open(), 'pass'],
            [0.1, flow.up(first), 'pass'],
            [59.999, flow.up(noise(9)), 'pass'],
            [60, flow.up(noise(9)), cut],
          ] as const;
        }),
        [100, tcp(80).open(), 'pass'],
        [100.1, tcp(80).up(HTTP), 'pass'],
        [170, tcp(80).down(noise(1400)), 'pass'],
        [200, udp(9000).up(noise(300)), 'pass'],
        [270, udp(9000).up(noise(300)), 'pass'],
      ],
    },
  ];
}

/** Packets of both directions, alternately, behind a first; each with what is done to it. */
function many(
  flow: Sender,
  first: Buffer,
  { verdicts, size = 100, at = 0 }: { verdicts: readonly string[]; size?: number; at?: number },
): Exact['steps'] {
  return verdicts.map((verdict, index) => {
    const payload = index === 0 ? first : noise(size);
    return [at + index / 100, index % 2 === 0 ? flow.up(payload) : flow.down(payload), verdict] as const;
  });
}
const pass = (count: number): string[] => Array<string>(count).fill('pass');

const filtered = (
  port: number,
  [first, second, verdict]: readonly [Buffer, Buffer, string],
  from: number,
): Exact['steps'] => {
  const flow = tcp(port, { from, client: `198.51.100.${from % 200}` });
  return [
    [0, flow.open(), 'pass'],
    [0.1, flow.up(first), 'pass'],
    [0.2, flow.down(noise(50)), 'pass'],
    [0.3, flow.up(second), verdict],
  ];
};
const shifted = (port: number, { server = '203.0.113.7', from = 50_000, client = '198.51.100.23' } = {}) =>
  tcp(port, { server, from, client });

export const AGES_AND_PLACES: readonly Exact[] = [
  ...cutAt60('reset'),
  ...cutAt60('drop'),
  {
    of: ['C01-tls-rate', 'C01-not-http-rate'],
    says: '§2 C01: HTTP is left alone, and UDP',
    steps: [
      [0, tcp(80).open(), 'pass'],
      [0.1, tcp(80).up(HTTP), 'pass'],
      ...Array.from({ length: 4 }, (_, at) => [61 + at / 100, tcp(80).down(noise(1400)), 'pass'] as const),
      [100, udp(9000).up(noise(1400)), 'pass'],
      ...Array.from({ length: 4 }, (_, at) => [161 + at / 100, udp(9000).up(noise(1400)), 'pass'] as const),
    ],
  },
  {
    of: ['C02-5', 'C02-1', 'C02-encrypted'],
    says: '§2 C02: policing by dropping, no queue; one user’s connections share the rate, another user’s do not; what is domestic is as fast as ever',
    steps: [
      [0, web.up(HELLO), 'pass'],
      [0.01, web.down(noise(1500)), 'pass'],
      [0.02, web.down(noise(1500)), 'pass'],
      [0.03, web.down(noise(1500)), 'police'],
      [0.04, shifted(443, { from: 50_001 }).up(HELLO), 'pass'],
      [0.05, shifted(443, { from: 50_001 }).down(noise(1500)), 'police'],
      [0.06, shifted(443, { client: '198.51.100.24' }).up(HELLO), 'pass'],
      [0.07, shifted(443, { client: '198.51.100.24' }).down(noise(1500)), 'pass'],
      [0.08, shifted(443, { server: DOMESTIC }).up(HELLO), 'pass'],
      ...Array.from(
        { length: 8 },
        (_, at) => [0.1 + at / 100, shifted(443, { server: DOMESTIC }).down(noise(1500)), 'pass'] as const,
      ),
      [0.3, shifted(443, { server: '10.1.2.3' }).up(HELLO), 'pass'],
      ...Array.from(
        { length: 8 },
        (_, at) => [0.31 + at / 100, shifted(443, { server: '10.1.2.3' }).down(noise(1500)), 'pass'] as const,
      ),
    ],
  },
  {
    of: ['C02-encrypted'],
    says: '§2 C02, variant: HTTP and DNS are not encrypted',
    steps: [
      [0, tcp(80).up(HTTP), 'pass'],
      ...Array.from({ length: 8 }, (_, at) => [0.1 + at / 100, tcp(80).down(noise(1500)), 'pass'] as const),
      [1, tcp(53).up(dnsOverTcp('example.org')), 'pass'],
      ...Array.from({ length: 8 }, (_, at) => [1.1 + at / 100, tcp(53).down(noise(1500)), 'pass'] as const),
    ],
  },
  {
    of: ['C03-drop'],
    says: '§2 C03: first client bytes are not an HTTP request → drop; unknown protocols fail closed; only the first bytes count; TCP',
    steps: [
      ...[HELLO, SSH, noise(300), Buffer.from('\r\nGET / HTTP/1.1\r\n\r\n'), Buffer.from('get / http/1.1\r\n\r\n')].map(
        (first, index) => [index, tcp(80, { from: 40_000 + index }).up(first), 'drop both'] as const,
      ),
      [10, tcp(80).open(), 'pass'],
      [10.1, tcp(80).down(SSH), 'pass'],
      [10.2, tcp(80).up(HTTP), 'pass'],
      [10.3, tcp(80).up(noise(1400)), 'pass'],
      [11, tcp(8388).up(Buffer.concat([Buffer.from('POST / HTTP/1.1\r\n'), noise(500)])), 'pass'],
      [12, udp(443).up(noise(300)), 'pass'],
    ],
  },
  {
    of: ['C03-rate'],
    says: '§2 C03: HTTP and UDP have their rate',
    steps: [
      [0, tcp(80).up(HTTP), 'pass'],
      ...Array.from({ length: 4 }, (_, at) => [0.1 + at / 100, tcp(80).down(noise(1400)), 'pass'] as const),
      ...Array.from({ length: 4 }, (_, at) => [1 + at / 100, udp(443).up(noise(1400)), 'pass'] as const),
    ],
  },
  {
    of: ['C05'],
    says: '§2 C05: on ports 53, 80 and 443 one of the first two data packets has to look like DNS, HTTP (≥ 8 bytes, a method and a space) or TLS (16 03 01–03 and a length), any on any port',
    steps: [
      ...[53, 80, 443].flatMap((port, index) => filtered(port, [noise(100), noise(101), 'drop up'], 1000 + index)),
      ...[22, 8388, 52, 54, 79, 81, 442, 444].flatMap((port, index) =>
        filtered(port, [noise(100), noise(101), 'pass'], 1010 + index),
      ),
      ...[53, 80, 443].flatMap((port, index) =>
        [HTTP, HELLO, dnsOverTcp('a.example')].flatMap((known, place) => [
          ...filtered(port, [known, noise(101), 'pass'], 1030 + 10 * index + place),
          ...filtered(port, [noise(100), known, 'pass'], 1060 + 10 * index + place),
        ]),
      ),
      ...filtered(80, [Buffer.from('GET / H'), noise(9), 'drop up'], 1090),
      ...filtered(80, [Buffer.from('GET / HT'), noise(9), 'pass'], 1091),
      ...filtered(443, [Buffer.from('1603010005', 'hex'), noise(9), 'pass'], 1092),
      ...filtered(443, [Buffer.from('16030100', 'hex'), noise(9), 'drop up'], 1093),
      ...filtered(443, [Buffer.from('1603000005', 'hex'), noise(9), 'drop up'], 1094),
      ...filtered(443, [Buffer.from('1603040005', 'hex'), noise(9), 'drop up'], 1095),
    ],
  },
  {
    of: ['C05'],
    says: '§2 C05: each packet by itself, without reassembly; the third packet is too late; UDP is not looked at',
    steps: [
      ...filtered(443, [HELLO.subarray(0, 4), HELLO.subarray(4), 'drop up'], 1000),
      [2, udp(443).up(noise(100)), 'pass'],
      [2.1, udp(443).up(noise(100)), 'pass'],
      [2.2, udp(443).up(noise(100)), 'pass'],
    ],
  },
  {
    of: ['C05'],
    says: '§2 C05: every later client packet to that host is dropped for 60 s; what the server sends passes; other hosts and clients are free',
    steps: [
      [0, web.up(noise(100)), 'pass'],
      [1, web.up(noise(101)), 'drop up'],
      [2, web.down(noise(100)), 'pass'],
      [60.999, shifted(443, { from: 50_001 }).up(HELLO), 'drop up'],
      [60.999, shifted(443, { client: '198.51.100.24' }).up(HELLO), 'pass'],
      [60.999, shifted(443, { server: '203.0.113.8' }).up(HELLO), 'pass'],
      [61, shifted(443, { from: 50_002 }).up(HELLO), 'pass'],
    ],
  },
  {
    of: ['C05'],
    says: '§2 C05: a retransmission restarts the 60 s, and so does another flow that offends; one that does not offend restarts nothing',
    steps: [
      [0, web.up(noise(100)), 'pass'],
      [1, web.up(noise(101)), 'drop up'],
      [31, web.again(noise(101)), 'drop up'],
      [80, shifted(443, { from: 50_001 }).up(noise(102)), 'drop up'],
      [81, shifted(443, { from: 50_001 }).up(noise(103)), 'drop up'],
      [130, shifted(443, { from: 50_002 }).up(HELLO), 'drop up'],
      [140.999, shifted(443, { from: 50_003 }).up(HELLO), 'drop up'],
      [141, shifted(443, { from: 50_004 }).up(HELLO), 'pass'],
    ],
  },
  {
    of: ['C06'],
    says: '§2 C06: about six packets, payload of no known protocol → drop, whatever the address; TLS, HTTP, SSH and DNS are known',
    steps: [
      ...many(tcp(443), noise(100), { verdicts: [...pass(6), 'drop both', 'drop both'] }),
      ...many(tcp(9999, { server: DOMESTIC }), noise(100), { verdicts: [...pass(6), 'drop both'], at: 1 }),
      ...many(udp(51_820), wireguard(1, 148), { verdicts: [...pass(6), 'drop both'], at: 2 }),
      ...[HELLO, HTTP, SSH, dnsOverTcp('a.example')].flatMap((first, index) =>
        many(tcp(8000 + index), first, { verdicts: pass(12), at: 3 + index }),
      ),
    ],
  },
  {
    of: ['C07'],
    says: '§2 C07: only UDP/53, TCP/80 and TCP/443 are forwarded, the rest silently dropped',
    steps: [
      ...[22, 53, 79, 81, 442, 444, 8443].map((port, at) => [at, tcp(port).open(), 'drop both'] as const),
      ...[52, 54, 80, 443, 3478].map((port, at) => [10 + at, udp(port).up(STUN), 'drop both'] as const),
      [20, tcp(80).open(), 'pass'],
      [20.1, tcp(80).up(HTTP), 'pass'],
      [21, tcp(443).open(), 'pass'],
      [21.1, tcp(443).up(HELLO), 'pass'],
      [21.2, tcp(443).down(appData(1000)), 'pass'],
      [22, udp(53).up(dnsQuery('www.example.org')), 'pass'],
    ],
  },
  {
    of: ['C07'],
    says: '§2 C07: DNS answers forged to 10.10.34.0/24, a reset after the ClientHello',
    steps: [
      [0, udp(53).up(dnsQuery('blocked.example')), 'forge 10.10.34.34, then drop'],
      [1, udp(53).up(dnsQuery('a.blocked.example')), 'forge 10.10.34.34, then drop'],
      [1.5, udp(53).down(noise(60)), 'pass'],
      [2, udp(53).up(dnsQuery('unblocked.example')), 'pass'],
      [2.1, udp(53).down(dnsQuery('unblocked.example')), 'pass'],
      [3, udp(53, { from: 4000 }).down(dnsQuery('blocked.example')), 'pass'],
      [4, web.up(helloFor('blocked.example')), 'reset both'],
    ],
  },
  {
    of: ['C08'],
    says: '§2 C08: all UDP but port 53 is dropped, TCP is not',
    steps: [
      ...[52, 54, 443, 1194, 51_820].map((port, at) => [at, udp(port).up(noise(100)), 'drop both'] as const),
      [10, udp(53).up(dnsQuery('a.example')), 'pass'],
      [11, udp(53, { from: 4000 }).up(wireguard(1, 148)), 'pass'],
      [12, tcp(1194).up(openvpnOverTcp(OPENVPN.clientReset)), 'pass'],
    ],
  },
  {
    of: ['C09-total'],
    says: '§2 C09: foreign prefixes unreachable, domestic reachable',
    steps: [
      [0, web.open(), 'drop both'],
      [1, udp(53, { server: '8.8.8.8' }).up(dnsQuery('a.example')), 'drop both'],
      [2, tcp(443, { server: DOMESTIC }).up(HELLO), 'pass'],
      [3, tcp(443, { server: '10.255.255.255' }).up(HELLO), 'pass'],
      [4, tcp(443, { server: '11.0.0.0' }).up(HELLO), 'drop both'],
    ],
  },
  {
    of: ['C09-night'],
    says: '§2 C09, nightly form: 01:00–09:00 local',
    startHour: 0,
    steps: [
      [3599, tcp(443, { from: 4000 }).open(), 'pass'],
      [3600, tcp(443, { from: 4000 }).up(HELLO), 'drop both'],
      [8 * 3600, tcp(443, { from: 4001, server: DOMESTIC }).open(), 'pass'],
      [8 * 3600, tcp(443, { from: 4001, server: '10.1.2.3' }).open(), 'pass'],
      [9 * 3600 - 1, tcp(443, { from: 4002 }).open(), 'drop both'],
      [9 * 3600, tcp(443, { from: 4003 }).open(), 'pass'],
    ],
  },
  {
    of: ['C18-address'],
    says: '§2 C18: what the whole address sends is dropped, whatever the port and protocol; its neighbours are free',
    steps: [
      [0, web.open(), 'pass'],
      [0.1, web.up(HELLO), 'pass'],
      [0.2, web.down(appData(100)), 'drop down'],
      [1, tcp(22).down(SSH), 'drop down'],
      [2, udp(51_820).down(wireguard(2, 92)), 'drop down'],
      [3, tcp(443, { server: '203.0.113.8' }).down(SSH), 'pass'],
      [4, tcp(443, { server: '203.0.113.6' }).down(SSH), 'pass'],
    ],
  },
  {
    of: ['C18-port'],
    says: '§2 C18: or one port of it',
    steps: [
      [0, web.up(HELLO), 'pass'],
      [0.2, web.down(appData(100)), 'drop down'],
      [1, tcp(442).down(SSH), 'pass'],
      [2, tcp(444).down(SSH), 'pass'],
      [3, tcp(443, { server: '203.0.113.8' }).down(SSH), 'pass'],
    ],
  },
  {
    of: ['C20-hosting'],
    says: '§2 C20: ranges of hosting companies, by CIDR',
    steps: [
      [0, tcp(443, { server: '203.0.113.0' }).open(), 'drop both'],
      [1, udp(443, { server: '203.0.113.255' }).up(STUN), 'drop both'],
      [2, tcp(443, { server: '203.0.114.0' }).open(), 'pass'],
      [3, tcp(443, { server: '203.0.112.255' }).open(), 'pass'],
    ],
  },
  {
    of: ['C20-allow-list'],
    says: '§2 C20: only listed subnets pass',
    steps: [
      [0, tcp(443, { server: '203.0.113.255' }).open(), 'pass'],
      [1, tcp(443, { server: '203.0.114.0' }).open(), 'drop both'],
      [2, udp(443, { server: '192.0.2.1' }).up(STUN), 'drop both'],
    ],
  },
  {
    of: ['C21-tcp-443'],
    says: '§2 C21: every SYN to TCP/443 is reset; 22, 80 and 8443 untouched',
    steps: [
      [0, web.open(), 'reset both'],
      ...[22, 80, 442, 444, 8443].map((port, at) => [1 + at, tcp(port).open(), 'pass'] as const),
      [9, udp(443).up(noise(100)), 'pass'],
    ],
  },
  {
    of: ['C21-udp-3478'],
    says: '§2 C21: UDP 3478, 3479 still open',
    steps: [
      [0, udp(3478).up(STUN), 'drop both'],
      [1, udp(3479).up(STUN), 'pass'],
      [2, udp(3477).up(STUN), 'pass'],
      [3, tcp(3478).up(STUN), 'pass'],
    ],
  },
];
