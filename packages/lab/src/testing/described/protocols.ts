// C22 to C24, C27, C28, C30 to C32: what acts by what a protocol looks like.
import { type Exact, tcp, udp } from './described.ts';
import {
  appData,
  DTLS,
  dnsQuery,
  HELLO,
  hex,
  noise,
  OPENVPN,
  openvpnOverTcp,
  request,
  SSH,
  STUN,
  wireguard,
} from './wire-bytes.ts';

type Steps = Exact['steps'];
const HTTP = request('www.example.org');
const { clientReset, serverReset, ack, control, data, softReset } = OPENVPN;

const openvpnUdp = (from: number, later: readonly Buffer[], verdicts: readonly string[]): Steps => {
  const flow = udp(1194, { from });
  const packets = [flow.up(clientReset), flow.down(serverReset), ...later.map((bytes) => flow.up(bytes))];
  return packets.map((coming, index) => [from + index / 100, coming, verdicts[index] ?? 'pass'] as const);
};

/** Bursts by turns from the client on, each in packets of at most 1,448 bytes; the last packet meets the verdict. */
function bursts(
  flow: ReturnType<typeof tcp>,
  {
    sums,
    more = 0,
    at,
    verdict,
    first = [],
  }: { sums: readonly number[]; more?: number; at: number; verdict: string; first?: Steps },
): Steps {
  const packets = sums.flatMap((sum, turn) =>
    Array.from({ length: Math.ceil(sum / 1448) }, (_, index) => {
      const payload = noise(Math.min(1448, sum - 1448 * index) + more, `${turn} ${index}`);
      return turn % 2 === 0 ? flow.up(payload) : flow.down(payload);
    }),
  );
  return [
    ...first,
    ...packets.map(
      (coming, index) => [at + 0.1 + index / 1000, coming, index === packets.length - 1 ? verdict : 'pass'] as const,
    ),
  ];
}

const flow = (from: number, port = 8388) => tcp(port, { from });
/** A handshake of TLS 1.3 outside, as sizes and first bytes go. */
const outer = (from: number, at: number): Steps => {
  const one = flow(from, 443);
  const change = hex('14 0303 0001 01');
  return [
    [at, one.up(HELLO), 'pass'],
    [at, one.down(Buffer.concat([hex('16 0303 007a'), noise(122), change, appData(1000)])), 'pass'],
    [at, one.up(Buffer.concat([change, appData(53)])), 'pass'],
  ];
};
const MEANS = [
  ['TLS 1.2', [213, 4515, 108, 308]],
  ['Firefox, TLS 1.3', [641, 4649, 448, 1094]],
  ['Chrome, post-quantum', [1850, 4903, 785, 1051]],
] as const;

export const PROTOCOLS: readonly Exact[] = [
  {
    of: ['C22'],
    says: '§2 C22: opcode = first byte >> 3; a pair of resets, then at least two further opcodes',
    steps: [
      ...openvpnUdp(1000, [ack, control], ['pass', 'pass', 'pass', 'drop both']),
      ...openvpnUdp(1010, [control, data], ['pass', 'pass', 'pass', 'drop both']),
      ...openvpnUdp(1020, Array(9).fill(control), []),
      ...openvpnUdp(1030, [softReset, Buffer.from([0x60, 1, 2])], []),
      ...openvpnUdp(1040, [ack, clientReset], []),
    ],
  },
  {
    of: ['C22'],
    says: '§2 C22: over TCP behind a 2-byte length; a client without its server’s reset, and other protocols, pass',
    steps: [
      ...[clientReset, null, ack, control].map((bytes, index) => {
        const one = tcp(443, { from: 1000 });
        const coming = bytes === null ? one.down(openvpnOverTcp(serverReset)) : one.up(openvpnOverTcp(bytes));
        return [index / 10, coming, index === 3 ? 'drop both' : 'pass'] as const;
      }),
      ...[clientReset, ack, control, data].map(
        (bytes, index) => [1 + index / 10, udp(1194, { from: 1001 }).up(bytes), 'pass'] as const,
      ),
      ...[clientReset, ack, control, data].map(
        (bytes, index) => [2 + index / 10, tcp(1194, { from: 1002 }).up(bytes), 'pass'] as const,
      ),
      ...[dnsQuery('example.org'), wireguard(1, 148), STUN, noise(200)].flatMap((bytes, index) => {
        const one = udp(1194, { from: 1010 + index });
        return [
          [3 + index, one.up(bytes), 'pass'] as const,
          [3.1 + index, one.down(bytes), 'pass'] as const,
          [3.2 + index, one.up(bytes), 'pass'] as const,
        ];
      }),
    ],
  },
  {
    of: ['C23'],
    says: '§2 C23: byte 0 is 1 to 4, bytes 1 to 3 are zero, sizes 148, 92, 64 and ≥ 32; on any port; UDP',
    steps: [
      ...(
        [
          [1, 148],
          [2, 92],
          [3, 64],
          [4, 32],
          [4, 1452],
        ] as const
      ).map(([type, length], index) => [index, udp(51_820 + index).up(wireguard(type, length)), 'drop both'] as const),
      ...(
        [
          [1, 147],
          [1, 149],
          [2, 148],
          [3, 63],
          [4, 31],
        ] as const
      ).map(([type, length], index) => [10 + index, udp(443 + index).up(wireguard(type, length)), 'pass'] as const),
      [20, udp(9000).up(Buffer.concat([hex('01 00 00 01'), noise(144)])), 'pass'],
      [21, udp(9001).up(Buffer.concat([hex('05 00 00 00'), noise(144)])), 'pass'],
      [22, tcp(9002).up(wireguard(1, 148)), 'pass'],
    ],
  },
  {
    of: ['C23'],
    says: '§2 C23: it stops after 4 packets that do not match',
    steps: [
      ...[3, 4].flatMap((junk, index) => [
        ...Array.from({ length: junk }, (_, at) => [10 * index + at, udp(9000 + junk).up(noise(50)), 'pass'] as const),
        [10 * index + 9, udp(9000 + junk).up(wireguard(1, 148)), junk === 3 ? 'drop both' : 'pass'] as const,
      ]),
    ],
  },
  {
    of: ['C24-drop'],
    says: '§2 C24: starts SSH-2.0-, on any port',
    steps: [
      [0, tcp(22).up(SSH), 'drop both'],
      [1, tcp(443).up(SSH), 'drop both'],
      [2, tcp(24).up(Buffer.from('SSH-2.0')), 'pass'],
      [3, tcp(25).up(Buffer.from('ssh-2.0-OpenSSH\r\n')), 'pass'],
      [4, tcp(22, { from: 4000 }).up(HELLO), 'pass'],
      [5, udp(22).up(SSH), 'pass'],
    ],
  },
  {
    of: ['C24-port'],
    says: '§2 C24: port 22 dropped, whatever it carries',
    steps: [
      [0, tcp(22).open(), 'drop both'],
      [1, tcp(22, { from: 4000 }).up(HELLO), 'drop both'],
      [2, tcp(21).up(SSH), 'pass'],
      [3, tcp(23).up(SSH), 'pass'],
      [4, tcp(2222).up(SSH), 'pass'],
    ],
  },
  {
    of: ['C24-throttle'],
    says: '§2 C24: SSH has a share of the line; TLS has it whole',
    steps: [
      [0, tcp(22).up(HELLO), 'pass'],
      ...Array.from({ length: 8 }, (_, at) => [0.1 + at / 1000, tcp(22).down(noise(1400)), 'pass'] as const),
    ],
  },
  {
    of: ['C27-groups'],
    says: '§2 C27: supported_groups in a DTLS ServerHello; one in the ClientHello is not it',
    steps: [
      [0, udp(40_000).up(DTLS.clientHello), 'pass'],
      [0.1, udp(40_000).down(DTLS.serverHelloWithGroups), 'drop both'],
      [1, udp(40_001).up(DTLS.clientHello), 'pass'],
      [1.1, udp(40_001).down(DTLS.serverHello), 'pass'],
      [2, udp(40_002).up(DTLS.clientHello), 'pass'],
      [2.1, udp(40_002).down(DTLS.verify), 'pass'],
      [3, tcp(40_003).down(DTLS.serverHelloWithGroups), 'pass'],
    ],
  },
  {
    of: ['C27-verify'],
    says: '§2 C27: any Hello Verify Request',
    steps: [
      [0, udp(40_000).up(DTLS.clientHello), 'pass'],
      [0.1, udp(40_000).down(DTLS.verify), 'drop both'],
      [1, udp(40_001).up(DTLS.clientHello), 'pass'],
      [1.1, udp(40_001).down(DTLS.serverHelloWithGroups), 'pass'],
      [2, tcp(40_002).down(DTLS.verify), 'pass'],
      [3, udp(443).up(STUN), 'pass'],
    ],
  },
  {
    of: ['C28-ndpi'],
    says: '§2 C28: four bursts from the client on, near the means of nDPI’s models, in what has no name; the burst behind them ends it',
    steps: [
      ...MEANS.flatMap(([, sums], index) =>
        bursts(flow(1000 + index), { sums: [...sums, 100], at: 10 * index, verdict: 'drop both' }),
      ),
      ...bursts(flow(1010), { sums: [213, 4515, 108, 308], at: 40, verdict: 'pass' }),
      ...bursts(flow(1011), { sums: [513, 4515, 108, 308, 100], at: 50, verdict: 'pass' }),
      ...bursts(flow(1012), { sums: [213, 4515, 900, 308, 100], at: 60, verdict: 'pass' }),
      ...bursts(flow(1013), { sums: [641, 1000, 448, 9094, 100], at: 70, verdict: 'pass' }),
    ],
  },
  {
    of: ['C28-ndpi'],
    says: '§2 C28: not in TLS, HTTP, SSH or DNS (ours: which its dissectors name)',
    steps: [HELLO, HTTP, SSH, Buffer.concat([hex('00d3'), dnsQuery('example.org')])].flatMap((first, index) => {
      const one = flow(1000 + index);
      const sized = Buffer.concat([first, noise(Math.max(0, 213 - first.length))]);
      const [start, ...rest] = bursts(one, { sums: [213, 4515, 108, 308, 100], at: 10 * index, verdict: 'pass' });
      return start === undefined ? [] : [[start[0], one.up(sized), 'pass'] as const, ...rest];
    }),
  },
  {
    of: ['C28-ndpi-tls'],
    says: '§2 C28: inside TLS, minus 24 bytes of each packet; outside of TLS this variant does not look',
    steps: [
      ...MEANS.flatMap(([, sums], index) =>
        bursts(flow(1000 + index, 443), {
          sums: [...sums, 100],
          more: 24,
          at: 10 * index,
          verdict: 'drop both',
          first: outer(1000 + index, 10 * index),
        }),
      ),
      ...bursts(flow(1010, 443), {
        sums: [213, 1000, 108, 9308, 100],
        more: 24,
        at: 40,
        verdict: 'pass',
        first: outer(1010, 40),
      }),
      ...bursts(flow(1011), { sums: [213, 4515, 108, 308, 100], at: 50, verdict: 'pass' }),
      [60, flow(1012, 443).up(noise(100)), 'pass'],
      ...bursts(flow(1012, 443), {
        sums: [213, 4515, 108, 308, 100],
        more: 24,
        at: 60.2,
        verdict: 'pass',
        first: outer(1012, 60.1),
      }),
    ],
  },
  {
    of: ['C28-opengfw'],
    says: '§2 C28: OpenGFW’s tree over the sums of four bursts behind the client’s ChangeCipherSpec',
    steps: [
      ...bursts(flow(1000, 443), {
        sums: [240, 130, 400, 300, 100],
        at: 0.2,
        verdict: 'drop both',
        first: outer(1000, 0),
      }),
      ...bursts(flow(1001, 443), { sums: [240, 30, 400, 300, 100], at: 10.2, verdict: 'pass', first: outer(1001, 10) }),
      ...bursts(flow(1002), { sums: [240, 130, 400, 300, 100], at: 20, verdict: 'pass' }),
      [30, flow(1003, 443).up(noise(100)), 'pass'],
      ...bursts(flow(1003, 443), {
        sums: [240, 130, 400, 300, 100],
        at: 30.2,
        verdict: 'pass',
        first: outer(1003, 30.1),
      }),
    ],
  },
  {
    of: ['C28-ru'],
    says: '§2 C28: the client sends ≥ 3 packets of ≥ 411 bytes (ours: within the first 30)',
    steps: [
      ...[411, 411, 411].map(
        (bytes, index) => [index, flow(1000).up(noise(bytes)), index === 2 ? 'drop both' : 'pass'] as const,
      ),
      ...[411, 410, 411, 410].map((bytes, index) => [10 + index, flow(1001).up(noise(bytes)), 'pass'] as const),
      ...[411, 411].map((bytes, index) => [20 + index, flow(1002).up(noise(bytes)), 'pass'] as const),
      ...[1400, 1400, 1400].map((bytes, index) => [22 + index, flow(1002).down(noise(bytes)), 'pass'] as const),
      ...Array.from(
        { length: 29 },
        (_, index) => [30 + index / 100, flow(1003).up(noise(index < 2 ? 411 : 10)), 'pass'] as const,
      ),
      [31, flow(1003).up(noise(411)), 'drop both'],
      ...Array.from(
        { length: 30 },
        (_, index) => [40 + index / 100, flow(1004).up(noise(index < 2 ? 411 : 10)), 'pass'] as const,
      ),
      [41, flow(1004).up(noise(411)), 'pass'],
    ],
  },
  {
    of: ['C30'],
    says: '§2 C30: a first payload of ≥ 149 bytes that is random; text, TLS, HTTP, SSH and UDP are not',
    steps: [
      [0, flow(1000).up(noise(300)), 'drop both'],
      [1, flow(1001).up(Buffer.from(Array.from({ length: 149 }, (_, at) => at))), 'drop both'],
      [2, flow(1002).up(Buffer.from(Array.from({ length: 148 }, (_, at) => at))), 'pass'],
      [3, flow(1003).up(Buffer.from(Array.from({ length: 640 }, (_, at) => at % 64))), 'pass'],
      ...[HELLO, HTTP, SSH].map(
        (first, index) => [4 + index, flow(1004 + index).up(Buffer.concat([first, noise(600)])), 'pass'] as const,
      ),
      [9, udp(8388).up(noise(300)), 'pass'],
    ],
  },
  {
    of: ['C31'],
    says: '§2 C31: one client data packet of 160–700 bytes and high entropy is replayed; shorter, longer, plainer and known ones are not',
    steps: [
      [
        0,
        flow(1000).up(Buffer.from(Array.from({ length: 160 }, (_, at) => at))),
        'pass, probe replay, server-port for 86400 s',
      ],
      [0.1, flow(1000).up(noise(200)), 'pass'],
      [1, flow(1001).up(noise(700)), 'pass, probe replay, server-port for 86400 s'],
      [2, flow(1002).up(Buffer.from(Array.from({ length: 159 }, (_, at) => at))), 'pass'],
      [3, flow(1003).up(noise(701)), 'pass'],
      [4, flow(1004).up(Buffer.from(Array.from({ length: 640 }, (_, at) => at % 64))), 'pass'],
      ...[HELLO, HTTP, SSH].map(
        (first, index) => [5 + index, flow(1005 + index).up(Buffer.concat([first, noise(400)])), 'pass'] as const,
      ),
      [9, udp(8388).up(noise(300)), 'pass'],
      [10, flow(1010).down(noise(300)), 'pass'],
    ],
  },
  {
    of: ['C32'],
    says: '§2 C32: a server that is not known to speak HTTP or SSH is asked in many protocols',
    steps: [
      [0, flow(1000).open(), 'pass'],
      [0.1, flow(1000).up(noise(300)), 'pass, probe protocols, server for 43200 s'],
      [1, flow(1001).up(HELLO), 'pass, probe protocols, server for 43200 s'],
      [2, flow(1002).up(noise(1)), 'pass, probe protocols, server for 43200 s'],
      [3, flow(1003).up(HTTP), 'pass'],
      [4, flow(1004).up(SSH), 'pass'],
      [5, udp(8388).up(noise(300)), 'pass'],
    ],
  },
];
