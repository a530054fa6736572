// C35: what acts on QUIC.
import { type Exact, tcp, udp } from './described.ts';
import { cryptoFrame, HELLO, helloFor, messageOf, noise, QUIC_HELLO, quicInitial } from './wire-bytes.ts';

const initial = (name: string) => quicInitial(cryptoFrame(0, messageOf(helloFor(name))));
const OWN = quicInitial(cryptoFrame(0, QUIC_HELLO));
const [START, REST] = [QUIC_HELLO.subarray(0, 100), QUIC_HELLO.subarray(100)];

export const QUIC: readonly Exact[] = [
  {
    of: ['C35-sni'],
    says: '§2 C35: the client’s Initial is opened where its port is above the server’s; a listed name → UDP of the 3-tuple dropped for 180 s (the Initial of RFC 9001 A.2)',
    settings: { names: ['example.com'] },
    steps: [
      [0, udp(443, { from: 444 }).up(OWN), 'drop both'],
      [1, udp(443, { from: 5000 }).up(noise(100)), 'drop both'],
      [2, udp(443, { from: 5001 }).down(noise(100)), 'drop both'],
      [3, tcp(443, { from: 5002 }).up(HELLO), 'pass'],
      [4, udp(444, { from: 5003 }).up(noise(100)), 'pass'],
      [5, udp(443, { from: 5003, client: '198.51.100.24' }).up(noise(100)), 'pass'],
      [6, udp(443, { from: 5003, server: '203.0.113.8' }).up(noise(100)), 'pass'],
      [179.999, udp(443, { from: 5004 }).up(noise(100)), 'drop both'],
      [180, udp(443, { from: 5005 }).up(noise(100)), 'pass'],
    ],
  },
  {
    of: ['C35-sni'],
    says: '§2 C35: passes: a port that is not above the server’s; another name; a junk datagram first; a hello in two CRYPTO frames or two datagrams; a version that is not known',
    settings: { names: ['example.com'] },
    steps: [
      [0, udp(443, { from: 443 }).up(OWN), 'pass'],
      [1, udp(443, { from: 442 }).up(OWN), 'pass'],
      [2, udp(50_443, { from: 50_442 }).up(OWN), 'pass'],
      [3, udp(443, { from: 4000 }).up(initial('example.net')), 'pass'],
      [4, udp(443, { from: 4001 }).up(noise(10)), 'pass'],
      [4.1, udp(443, { from: 4001 }).up(OWN), 'pass'],
      [
        5,
        udp(443, { from: 4002 }).up(quicInitial(Buffer.concat([cryptoFrame(0, START), cryptoFrame(100, REST)]))),
        'pass',
      ],
      [6, udp(443, { from: 4003 }).up(quicInitial(cryptoFrame(0, START))), 'pass'],
      [6.1, udp(443, { from: 4003 }).up(quicInitial(cryptoFrame(100, REST))), 'pass'],
      [7, udp(443, { from: 4004 }).up(quicInitial(cryptoFrame(0, QUIC_HELLO), { version: 0x0a0a0a0a })), 'pass'],
    ],
  },
  {
    of: ['C35-version'],
    says: '§2 C35: in Russia, UDP/443, an Initial of version 1 of at least 1001 bytes → drop, whatever the name',
    steps: [
      [0, udp(443).up(OWN), 'drop both'],
      [1, udp(443, { from: 400 }).up(quicInitial(cryptoFrame(0, QUIC_HELLO), { bytes: 1001 })), 'drop both'],
      [2, udp(443, { from: 4001 }).up(quicInitial(cryptoFrame(0, QUIC_HELLO), { bytes: 1000 })), 'pass'],
      [3, udp(443, { from: 4002 }).up(quicInitial(cryptoFrame(0, QUIC_HELLO), { version: 0x6b3343cf })), 'pass'],
      [4, udp(443, { from: 4003 }).up(quicInitial(cryptoFrame(0, QUIC_HELLO), { version: 0xff00001d })), 'pass'],
      [5, udp(442).up(OWN), 'pass'],
      [6, udp(444).up(OWN), 'pass'],
      [7, udp(443, { from: 4004 }).up(noise(1200)), 'pass'],
      [8, tcp(443).up(OWN), 'pass'],
    ],
  },
];
