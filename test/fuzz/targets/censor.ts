import { readCapture } from '../../../packages/lab/src/censor/capture-file.ts';
import { readIpPacket } from '../../../packages/lab/src/censor/ip-packet.ts';
import { openings, quicInitial } from '../../../packages/lab/src/censor/openings.ts';
import { parsePolicyFile } from '../../../packages/lab/src/censor/policy-file.ts';
import { dnsQueryName } from '../../../packages/lab/src/censor/protocols.ts';
import { readQuicHello } from '../../../packages/lab/src/censor/quic-initial.ts';
import { readHelloRecords } from '../../../packages/lab/src/censor/tls-hello.ts';
import { ja4Of } from '../../../packages/lab/src/classifiers/tls-fingerprint.ts';
import { SeededRandom } from '../../../packages/tunnel/src/testing/seeded-random.ts';
import { type FuzzTarget, holds } from '../target.ts';

function firstOf(name: string): Buffer {
  const [first] = openings.get(name)?.(new SeededRandom(1), 'www.example.com').packets ?? [];
  return first?.[1] ?? Buffer.alloc(0);
}

function readHello(input: Buffer): string {
  const hello = readHelloRecords(input);
  if (hello === null || hello === false) return String(hello);
  const more = readHelloRecords(Buffer.concat([input, Buffer.of(0x17, 3, 3, 0, 0)]));
  holds(more !== null && more !== false && ja4Of(more) === ja4Of(hello), 'what comes behind a hello changes it');
  return `hello ${hello.extensions.length} ${hello.sni === null}`;
}

function readFrames(input: Buffer): string {
  const packets = readCapture(input);
  const kinds = packets.map((packet) => readIpPacket(packet)?.transport ?? 'none');
  return `${Math.min(packets.length, 4)} ${[...new Set(kinds)].join(' ')}`;
}

const CLASSIC = Buffer.from('a1b2c3d4000200040000000000000000000040000000000100000000000000000000000e0000000e', 'hex');
const NEXT = Buffer.from('0a0d0d0a0000001c1a2b3c4d00010000ffffffffffffffff0000001c', 'hex');
const RULES = Buffer.from(`id: a
name: b
country: XX
dates: c
source: [{ ref: d, certainty: P }]
parameters: { port: 443 }
rules: [{ name: e, when: { port: $port }, do: { drop: both } }]
hits: [{ traffic: tls }]
`);

/** What the lab's censor reads from the wire, from captures, and from rule files. */
export const CENSOR_TARGETS: readonly FuzzTarget[] = [
  { name: 'censor-hello', run: readHello, seeds: [firstOf('tls')], maxBytes: 2000, allowedErrors: [] },
  {
    name: 'censor-quic',
    run: (input) => `${readQuicHello(input)?.sni ?? 'none'}`.slice(0, 4),
    seeds: [quicInitial(new SeededRandom(1), 'a.example')],
    maxBytes: 1500,
    allowedErrors: [],
  },
  {
    name: 'censor-dns',
    run: (input) => String(dnsQueryName(input)?.split('.').length ?? 'none'),
    seeds: [firstOf('dns')],
    maxBytes: 600,
    allowedErrors: [],
  },
  { name: 'capture', run: readFrames, seeds: [CLASSIC, NEXT], maxBytes: 2000, allowedErrors: ['CaptureError'] },
  {
    name: 'rule-file',
    run: (input) => String(parsePolicyFile(input.toString('utf8'), 'fuzz').length),
    seeds: [RULES],
    maxBytes: 2000,
    allowedErrors: ['PolicyError'],
  },
];
