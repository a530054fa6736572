import { decodeBase64url, encodeBase64url } from '../../../packages/protocol/src/base64url.ts';
import { ByteReader, MAX_VARINT, varintLength, writeVarint } from '../../../packages/protocol/src/bytes.ts';
import {
  decodeReplayEntries,
  encodeReplayEntry,
  REPLAY_ENTRY_BYTES,
} from '../../../packages/protocol/src/replay-memory.ts';
import { type FuzzTarget, holds, outcomeOf } from '../target.ts';

const allowedErrors = ['ProtocolError'];

/** A variable-length integer as RFC 9000 §16 puts it, without regard to speed. */
function naiveVarint(bytes: Buffer): bigint | null {
  const first = bytes[0];
  if (first === undefined) return null;
  const length = 2 ** (first >> 6);
  if (bytes.length < length) return null;
  const value = BigInt(`0x${bytes.toString('hex', 0, length)}`);
  return value & ((1n << BigInt(8 * length - 2)) - 1n);
}

function readVarint(input: Buffer): string {
  const naive = naiveVarint(input);
  const outcome = outcomeOf(() => new ByteReader(input).varint(), allowedErrors);
  if ('refused' in outcome) {
    holds(naive === null || naive > BigInt(MAX_VARINT), 'a good varint was refused');
    return outcome.refused;
  }
  const { value } = outcome;
  holds(naive === BigInt(value), 'a varint was misread');
  const written = Buffer.alloc(8);
  const length = writeVarint(written, value, 0);
  holds(length === varintLength(value), 'varintLength disagrees with writeVarint');
  holds(new ByteReader(written.subarray(0, length)).varint() === value, 'a varint does not survive being written');
  return `varint ${length} of ${2 ** ((input[0] ?? 0) >> 6)}`;
}

/** The first byte says how many reads follow, then one byte for each, then what they read. */
function readByScript(input: Buffer): string {
  const count = (input[0] ?? 0) % 16;
  const script = input.subarray(1, 1 + count);
  const reader = new ByteReader(input.subarray(1 + script.length));
  const Reads = [
    () => reader.uint8(),
    () => reader.uint16(),
    () => reader.uint32(),
    () => reader.varint(),
    () => reader.bytes(3).length,
    () => reader.rest().length,
  ];
  for (const step of script) {
    const before = reader.remaining;
    const value = Reads[step % Reads.length]?.() ?? 0;
    holds(Number.isSafeInteger(value) && value >= 0, 'a read gave no whole number');
    holds(reader.remaining <= before && reader.remaining >= 0, 'the reader went back');
  }
  return `script ${script.length}`;
}

function readBase64url(input: Buffer): string {
  const text = input.toString('latin1');
  holds(encodeBase64url(decodeBase64url(text)) === text, 'a value has two texts');
  return 'base64url';
}

function readReplayEntries(input: Buffer): string {
  const entries = decodeReplayEntries(input);
  const whole = input.subarray(0, input.length - (input.length % REPLAY_ENTRY_BYTES));
  holds(Buffer.concat(entries.map(encodeReplayEntry)).equals(whole), 'entries do not survive being written');
  return `entries ${Math.min(entries.length, 3)}`;
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

export const BYTE_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'varint',
    run: readVarint,
    seeds: ['00', '3f', '4040', '80004000', 'c000000040000000', 'c01fffffffffffff'].map(hex),
    maxBytes: 12,
    allowedErrors,
  },
  {
    name: 'byte-reader',
    run: readByScript,
    seeds: [hex('060001020304050102030405060708090a0b0c')],
    maxBytes: 128,
    allowedErrors,
  },
  {
    name: 'base64url',
    run: readBase64url,
    seeds: [Buffer.from('AAEC'), Buffer.from('_-8')],
    maxBytes: 256,
    allowedErrors,
  },
  { name: 'replay-entries', run: readReplayEntries, seeds: [Buffer.alloc(44, 1)], maxBytes: 256, allowedErrors },
];
