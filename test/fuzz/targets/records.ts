import { RecordOpener, RecordSealer, recordKeysOf } from '../../../packages/protocol/src/record.ts';
import { type FuzzTarget, holds, outcomeOf } from '../target.ts';

const allowedErrors = ['ProtocolError'];
const KEYS = recordKeysOf(Buffer.alloc(32, 7));
/** Few, so that keys change all the time. */
const OPTIONS = { recordsPerKey: 3 };

/** Feeds `wire` in pieces whose sizes `sizes` gives in turn, and gives what comes out until it is refused. */
function open(wire: Buffer, sizes: Buffer): { plaintexts: Buffer[]; refused: string | null } {
  const opener = new RecordOpener(KEYS, OPTIONS);
  const plaintexts: Buffer[] = [];
  let offset = 0;
  for (let index = 0; offset < wire.length; index++) {
    const size = sizes.length === 0 ? wire.length : 1 + (sizes[index % sizes.length] ?? 0);
    opener.push(Buffer.from(wire.subarray(offset, offset + size)));
    offset += size;
    for (;;) {
      const outcome = outcomeOf(() => opener.next(), allowedErrors);
      if ('refused' in outcome) {
        holds(
          'refused' in outcomeOf(() => opener.next(), allowedErrors),
          'goes on after a record that is not authentic',
        );
        return { plaintexts, refused: outcome.refused };
      }
      if (outcome.value === null) break;
      plaintexts.push(Buffer.from(outcome.value));
    }
  }
  return { plaintexts, refused: null };
}

/**
 * The first byte says how many sizes of pieces follow, the second which byte of the wire is changed (0: none), the third how. What is left
 * is sealed: each record is preceded by its length.
 */
function sealAndOpen(input: Buffer): string {
  const [sizeCount = 0, where = 0, how = 0] = input;
  const sizes = input.subarray(3, 3 + (sizeCount % 8));
  const sealer = new RecordSealer(KEYS, OPTIONS);
  const sent: Buffer[] = [];
  const sealed: Buffer[] = [];
  for (let left = input.subarray(3 + sizes.length); left.length > 1; ) {
    const plaintext = left.subarray(1, 2 + (left[0] ?? 0));
    left = left.subarray(1 + plaintext.length);
    sent.push(plaintext);
    const middle = plaintext.length >> 1;
    sealed.push(...sealer.seal([plaintext.subarray(0, middle), plaintext.subarray(middle)]));
  }
  const wire = Buffer.concat(sealed);
  const isChanged = where > 0 && how > 0 && where <= wire.length;
  if (isChanged) wire[where - 1] = (wire[where - 1] ?? 0) ^ how;
  const { plaintexts, refused } = open(wire, sizes);
  for (const [index, plaintext] of plaintexts.entries()) {
    holds(sent[index]?.equals(plaintext) === true, 'something else came out than was sealed');
  }
  holds(
    isChanged ? plaintexts.length < sent.length : refused === null && plaintexts.length === sent.length,
    'records lost or made up',
  );
  return `${Math.min(sent.length, 7)} records, ${isChanged ? `changed, ${refused}` : 'whole'}`;
}

/** Bytes that nobody sealed. */
function openGarbage(input: Buffer): string {
  const whole = open(input, Buffer.alloc(0));
  const bytewise = open(input, Buffer.of(0));
  holds(whole.refused === bytewise.refused, 'it matters in which pieces the bytes come');
  holds(whole.plaintexts.length === bytewise.plaintexts.length, 'it matters in which pieces the bytes come');
  return `${whole.plaintexts.length} ${whole.refused}`;
}

function sealedRecords(...texts: readonly string[]): Buffer {
  const sealer = new RecordSealer(KEYS, OPTIONS);
  return Buffer.concat(texts.flatMap((text) => sealer.seal([Buffer.from(text)])));
}

export const RECORD_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'records',
    run: sealAndOpen,
    seeds: [
      Buffer.from('000000036162630161', 'hex'),
      Buffer.from('0202ff0103036162630161', 'hex'),
      Buffer.concat([Buffer.from('0100000a', 'hex'), Buffer.alloc(60, 3)]),
    ],
    maxBytes: 400,
    allowedErrors,
  },
  {
    name: 'records-garbage',
    run: openGarbage,
    seeds: [sealedRecords('one'), sealedRecords('one', 'two', 'three', 'four')],
    maxBytes: 1500,
    allowedErrors,
  },
];
