import type { SeededRandom } from '../../packages/tunnel/src/testing/seeded-random.ts';

/** What a mutation may draw on. */
export interface MutationSource {
  readonly random: SeededRandom;
  /** Other inputs, to take pieces from. */
  readonly corpus: readonly Buffer[];
  readonly dictionary: readonly Buffer[];
  readonly maxBytes: number;
}

const INTERESTING_BYTES = [0x00, 0x01, 0x0a, 0x0d, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff];

/** The ends of what numbers of one, two, four and eight bytes can say, also as variable-length integers. */
const INTERESTING_NUMBERS = [
  '0000',
  '0001',
  '003f',
  '0040',
  '4040',
  '7fff',
  '8000',
  'ffff',
  '80004000',
  '7fffffff',
  'bfffffff',
  'ffffffff',
  'c000000040000000',
  'c01fffffffffffff',
  'c020000000000000',
  'ffffffffffffffff',
].map((hex) => Buffer.from(hex, 'hex'));

const MAX_STACKED_MUTATIONS = 5;
const MAX_BLOCK_BYTES = 512;

type Mutation = (input: Buffer, source: MutationSource) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  addToByte,
  setNumber,
  setVarint,
  resizeField,
  resizeField,
  insertBytes,
  insertBytes,
  insertRun,
  insertWord,
  removeBlock,
  removeBlock,
  repeatBlock,
  moveBlock,
  takeFromOther,
  crossOver,
  shorten,
];

/** A changed copy of `input`, never longer than allowed. */
export function mutate(input: Buffer, source: MutationSource): Buffer {
  const { random, maxBytes } = source;
  let mutant = input;
  for (let left = 1 + random.below(MAX_STACKED_MUTATIONS); left > 0; left--) {
    const mutation = MUTATIONS[random.below(MUTATIONS.length)];
    mutant = mutation?.(mutant, source) ?? mutant;
  }
  return mutant.length > maxBytes ? mutant.subarray(0, maxBytes) : mutant;
}

function changed(input: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(input);
  if (copy.length > 0) change(copy);
  return copy;
}

/** Puts `bytes` in place of `removed` bytes at `offset`. */
function replaced(input: Buffer, offset: number, { bytes, removed }: { bytes: Buffer; removed: number }): Buffer {
  return Buffer.concat([input.subarray(0, offset), bytes, input.subarray(offset + removed)]);
}

/** A block of `input` of a length that is mostly small. */
function block(input: Buffer, random: SeededRandom): { offset: number; bytes: Buffer } {
  const offset = random.below(input.length + 1);
  const length = Math.min(input.length - offset, random.below(2 ** (1 + random.below(9))), MAX_BLOCK_BYTES);
  return { offset, bytes: input.subarray(offset, offset + length) };
}

function pick<T>(items: readonly T[], random: SeededRandom): T | undefined {
  return items[random.below(items.length)];
}

function flipBit(input: Buffer, { random }: MutationSource): Buffer {
  return changed(input, (copy) => {
    const offset = random.below(copy.length);
    copy[offset] = (copy[offset] ?? 0) ^ (1 << random.below(8));
  });
}

function setByte(input: Buffer, { random }: MutationSource): Buffer {
  return changed(input, (copy) => {
    copy[random.below(copy.length)] = pick(INTERESTING_BYTES, random) ?? 0;
  });
}

function addToByte(input: Buffer, { random }: MutationSource): Buffer {
  return changed(input, (copy) => {
    const offset = random.below(copy.length);
    copy[offset] = (copy[offset] ?? 0) + random.below(33) - 16;
  });
}

function setNumber(input: Buffer, { random }: MutationSource): Buffer {
  return changed(input, (copy) => pick(INTERESTING_NUMBERS, random)?.copy(copy, random.below(copy.length)));
}

/** A variable-length integer (RFC 9000 §16) of up to 14 bits, as lengths are. */
function setVarint(input: Buffer, { random }: MutationSource): Buffer {
  const value = random.below(2 ** (1 + random.below(14)));
  return replaced(input, random.below(input.length + 1), { bytes: varint(value), removed: random.below(3) });
}

/** Up to 1024, every second time beside a power of two, where mistakes are made. */
function drawLength(random: SeededRandom): number {
  const power = 2 ** (1 + random.below(10));
  return random.fraction() < 0.5 ? random.below(power) : power - 1 + random.below(3);
}

function varint(value: number): Buffer {
  return value < 0x40 ? Buffer.of(value) : Buffer.of(0x40 | (value >> 8), value & 0xff);
}

/** Takes what stands at some place for a length and the bytes that it counts, and makes both longer or shorter. */
function resizeField(input: Buffer, { random }: MutationSource): Buffer {
  const offset = random.below(input.length);
  const head = (input[offset] ?? 0) >> 6;
  if (head > 1 || offset + head >= input.length) return input;
  const length = head === 0 ? input.readUInt8(offset) : input.readUInt16BE(offset) & 0x3fff;
  const field = input.subarray(offset + 1 + head, offset + 1 + head + length);
  if (field.length < length) return input;
  const grown = Buffer.alloc(drawLength(random), pick(INTERESTING_BYTES, random) ?? 0);
  field.copy(grown);
  const bytes = Buffer.concat([varint(grown.length), grown]);
  return replaced(input, offset, { bytes, removed: 1 + head + length });
}

function insertBytes(input: Buffer, { random }: MutationSource): Buffer {
  const bytes = random.bytes(1 + random.below(2 ** random.below(8)));
  return replaced(input, random.below(input.length + 1), { bytes, removed: 0 });
}

function insertRun(input: Buffer, { random }: MutationSource): Buffer {
  const bytes = Buffer.alloc(1 + random.below(MAX_BLOCK_BYTES), pick(INTERESTING_BYTES, random) ?? 0);
  return replaced(input, random.below(input.length + 1), { bytes, removed: 0 });
}

function insertWord(input: Buffer, { random, dictionary }: MutationSource): Buffer {
  const bytes = pick(dictionary, random) ?? pick(INTERESTING_NUMBERS, random) ?? input;
  return replaced(input, random.below(input.length + 1), { bytes, removed: random.below(2) * bytes.length });
}

function removeBlock(input: Buffer, { random }: MutationSource): Buffer {
  const { offset, bytes } = block(input, random);
  return replaced(input, offset, { bytes: Buffer.alloc(0), removed: bytes.length });
}

function repeatBlock(input: Buffer, { random, maxBytes }: MutationSource): Buffer {
  const { offset, bytes } = block(input, random);
  const times = Math.min(1 + random.below(2 ** random.below(7)), Math.ceil(maxBytes / (bytes.length + 1)));
  return replaced(input, offset, { bytes: Buffer.concat(Array<Buffer>(times).fill(bytes)), removed: 0 });
}

function moveBlock(input: Buffer, { random }: MutationSource): Buffer {
  const { bytes } = block(input, random);
  return replaced(input, random.below(input.length + 1), { bytes, removed: bytes.length });
}

function takeFromOther(input: Buffer, { random, corpus }: MutationSource): Buffer {
  const { bytes } = block(pick(corpus, random) ?? input, random);
  return replaced(input, random.below(input.length + 1), { bytes, removed: random.below(2) * bytes.length });
}

function crossOver(input: Buffer, { random, corpus }: MutationSource): Buffer {
  const other = pick(corpus, random) ?? input;
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);
}

function shorten(input: Buffer, { random }: MutationSource): Buffer {
  return input.subarray(0, random.below(input.length + 1));
}
