import { MAX_GAPS, Reassembly } from '../../../packages/protocol/src/reassembly.ts';
import { type FuzzTarget, holds, outcomeOf } from '../target.ts';

const allowedErrors = ['ProtocolError'];
const STREAM_BYTES = 4096;

/** What the stream holds at `offset`, so that a piece needs no bytes of its own. */
const STREAM = Buffer.from(
  Array.from({ length: 2 * STREAM_BYTES }, (_, offset) => (offset * 167 + (offset >> 8)) & 0xff),
);

/** Pieces of four bytes each: offset u12, length u12 of which the top bit says that it ends the stream, a byte to spare. */
function insertPieces(input: Buffer): string {
  const reassembly = new Reassembly();
  const arrived = new Uint8Array(2 * STREAM_BYTES);
  const out: Buffer[] = [];
  let final: number | null = null;
  let highest = 0;
  for (let at = 0; at + 4 <= input.length; at += 4) {
    const offset = input.readUInt16BE(at) & 0xfff;
    const sizes = input.readUInt16BE(at + 2);
    const after = offset + (sizes & 0x3ff);
    const end = (sizes & 0xe000) === 0xe000;
    const moved = end && ((final !== null && final !== after) || after < highest);
    const refuses = moved || (final !== null && after > final);
    const outcome = outcomeOf(() => reassembly.insert(offset, STREAM.subarray(offset, after), end), allowedErrors);
    holds('refused' in outcome === refuses, 'a piece was wrongly taken or refused');
    if ('refused' in outcome) return outcome.refused;
    out.push(...outcome.value);
    arrived.fill(1, offset, after);
    highest = Math.max(highest, after);
    if (end) final = after;
    const gap = arrived.indexOf(0);
    holds(reassembly.next === gap, 'the stream stands elsewhere');
    holds(reassembly.highest === highest && reassembly.final === final, 'the end of the stream stands elsewhere');
    holds(reassembly.complete === (final !== null && gap >= final), 'the stream is wrongly whole or not');
  }
  const joined = Buffer.concat(out);
  holds(joined.equals(STREAM.subarray(0, reassembly.next)), 'the bytes came out wrong');
  return `${Math.min(out.length, 9)} pieces, ${final === null ? 'open' : 'ended'}`;
}

const pieces = (...list: readonly (readonly [offset: number, sizes: number])[]): Buffer => {
  const bytes = Buffer.alloc(4 * list.length);
  for (const [index, [offset, sizes]] of list.entries()) {
    bytes.writeUInt16BE(offset, 4 * index);
    bytes.writeUInt16BE(sizes, 4 * index + 2);
  }
  return bytes;
};

export const REASSEMBLY_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'reassembly',
    run: insertPieces,
    seeds: [
      pieces([0, 5], [5, 5], [10, 0xe001]),
      pieces([10, 5], [0, 20], [5, 3]),
      pieces([30, 5], [20, 5], [10, 5], [0, 40]),
      pieces([0, 0xe000]),
    ],
    // Fewer pieces than there may be gaps, which is a bound that has its own test.
    maxBytes: Math.min(1024, 4 * MAX_GAPS),
    allowedErrors,
  },
];
