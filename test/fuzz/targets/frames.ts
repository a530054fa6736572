import {
  decodeFrames,
  encodeFrame,
  type Frame,
  MAX_DATAGRAM_BYTES,
  MAX_TARGET_BYTES,
} from '../../../packages/protocol/src/frame.ts';
import { RecordBuilder } from '../../../packages/protocol/src/record-builder.ts';
import { type FuzzTarget, holds, outcomeOf } from '../target.ts';

const allowedErrors = ['ProtocolError'];

/** For each type of frame that holds nothing but numbers, how many. */
const NUMBERS: ReadonlyMap<number, readonly [name: string, count: number]> = new Map([
  [0x01, ['ping', 0]],
  [0x02, ['ack', 2]],
  [0x04, ['opened', 1]],
  [0x07, ['reset', 3]],
  [0x08, ['window', 2]],
  [0x09, ['session-window', 1]],
  [0x0a, ['retire', 0]],
  [0x0b, ['gone', 1]],
  [0x0c, ['drain', 0]],
  [0x0d, ['close', 1]],
  [0x0e, ['arrival', 2]],
  [0x10, ['close-flow', 1]],
  [0x11, ['bond', 1]],
  [0x12, ['budget', 1]],
]);

/** The frames of docs/spec/wire.md, read a second time in the plainest way. Null if they are to be refused. */
function naiveFrames(record: Buffer): string[] | null {
  const frames: string[] = [];
  let left = record;
  const take = (count: number): Buffer | null => {
    if (count > left.length) return null;
    const taken = left.subarray(0, count);
    left = left.subarray(count);
    return taken;
  };
  const number = (): number | null => {
    const length = 2 ** ((left[0] ?? 0) >> 6);
    const bytes = take(length);
    if (bytes === null) return null;
    const top = (bytes[0] ?? 0) & 0x3f;
    const value = bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, top);
    return value > Number.MAX_SAFE_INTEGER ? null : value;
  };
  while (left.length > 0) {
    const type = take(1)?.[0] ?? 0;
    if (type === 0x00) return frames;
    if (type === 0x0f) {
      const flow = number();
      const targetLength = number();
      if (flow === null || targetLength === null || targetLength > MAX_TARGET_BYTES) return null;
      const target = take(targetLength);
      const length = target === null ? null : number();
      const bytes = length === null || length > MAX_DATAGRAM_BYTES ? null : take(length);
      if (target === null || bytes === null) return null;
      frames.push(`datagram ${flow} ${target.toString('hex')} ${bytes.toString('hex')}`);
      continue;
    }
    const plain = NUMBERS.get(type);
    const isData = type === 0x05 || type === 0x06;
    if (plain === undefined && !isData && type !== 0x03) return null;
    const numbers = Array.from({ length: plain?.[1] ?? (isData ? 3 : 2) }, number);
    const length = plain === undefined ? (numbers.at(-1) ?? null) : 0;
    if (numbers.includes(null) || length === null || (type === 0x03 && length > MAX_TARGET_BYTES)) return null;
    const bytes = take(length);
    if (bytes === null || (isData && (numbers[1] ?? 0) + length > Number.MAX_SAFE_INTEGER)) return null;
    const name = plain?.[0] ?? (isData ? `data ${type === 0x06}` : 'open');
    frames.push(plain === undefined ? `${name} ${numbers} ${bytes.toString('hex')}` : `${name} ${numbers}`);
  }
  return frames;
}

/** The same words for what the decoder says. */
function describe(frame: Frame): string {
  const { type, ...fields } = frame;
  if (frame.type === 'data') {
    const { streamId, offset, bytes, end } = frame;
    return `data ${end} ${[streamId, offset, bytes.length]} ${bytes.toString('hex')}`;
  }
  if (frame.type === 'open') return `open ${[frame.streamId, frame.target.length]} ${frame.target.toString('hex')}`;
  if (frame.type === 'datagram') {
    return `datagram ${frame.flowId} ${frame.target.toString('hex')} ${frame.bytes.toString('hex')}`;
  }
  return `${type} ${Object.values(fields)}`;
}

function readFrames(input: Buffer, decode: (record: Buffer) => Frame[]): string {
  const expected = naiveFrames(input);
  const outcome = outcomeOf(() => decode(input), allowedErrors);
  if ('refused' in outcome) {
    holds(expected === null, 'good frames were refused');
    return outcome.refused;
  }
  holds(expected !== null, 'broken frames were taken');
  const described = outcome.value.map(describe);
  holds(described.join('\n') === expected.join('\n'), 'frames were misread');
  const written = Buffer.concat(outcome.value.map(encodeFrame));
  holds(decode(written).map(describe).join('\n') === described.join('\n'), 'frames do not survive being written');
  holds(build(outcome.value).equals(written), 'a record that was built differs from its frames');
  return `${new Set(outcome.value.map(({ type }) => type)).size} types`;
}

function build(frames: readonly Frame[]): Buffer {
  const builder = new RecordBuilder();
  for (const frame of frames) {
    if (frame.type === 'data') builder.data(frame);
    else if (frame.type === 'datagram') builder.datagram(frame);
    else builder.control(frame);
  }
  return Buffer.concat(builder.take());
}

const EXAMPLES: readonly Frame[] = [
  { type: 'ping' },
  { type: 'ack', carrierId: 3, records: 70_000 },
  { type: 'open', streamId: 4, target: Buffer.from('03016101bb', 'hex') },
  { type: 'opened', streamId: 4 },
  { type: 'data', streamId: 4, offset: 100, bytes: Buffer.from('bytes'), end: false },
  { type: 'data', streamId: 8, offset: 2 ** 40, bytes: Buffer.alloc(70, 1), end: true },
  { type: 'reset', streamId: 4, code: 3, finalOffset: 105 },
  { type: 'window', streamId: 4, limit: 2 ** 20 },
  { type: 'session-window', limit: 2 ** 33 },
  { type: 'retire' },
  { type: 'gone', carrierId: 2 },
  { type: 'drain' },
  { type: 'close', code: 1 },
  { type: 'datagram', flowId: 3, target: Buffer.from('01c00002010035', 'hex'), bytes: Buffer.from('a datagram') },
  { type: 'close-flow', flowId: 3 },
  { type: 'bond', carriers: 4 },
  { type: 'budget', limit: 16_384 },
];

const seeds = [...EXAMPLES.map(encodeFrame), Buffer.concat(EXAMPLES.map(encodeFrame)), Buffer.from('0100ffff', 'hex')];

export const FRAME_TARGETS: readonly FuzzTarget[] = [
  { name: 'frames', run: (input) => readFrames(input, decodeFrames), seeds, maxBytes: 1024, allowedErrors },
];

/** A length that hardly ever occurs, though one where mistakes are made. */
const UNLUCKY_LENGTH = 257;

/** The same decoder, but that it loses the last byte of data of one certain length. */
export function framesWithBug(name: string): FuzzTarget {
  const decode = (record: Buffer): Frame[] =>
    decodeFrames(record).map((frame) =>
      frame.type === 'data' && frame.bytes.length === UNLUCKY_LENGTH
        ? { ...frame, bytes: frame.bytes.subarray(0, -1) }
        : frame,
    );
  return { name, run: (input) => readFrames(input, decode), seeds, maxBytes: 1024, allowedErrors };
}
