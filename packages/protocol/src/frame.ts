import { ByteReader, varintLength, writeVarint } from './bytes.ts';
import { ProtocolError } from './errors.ts';

/*
 * A record's plaintext is a sequence of frames (docs/spec/wire.md §6). A frame is one type byte and its fields; numbers
 * are variable-length integers (RFC 9000 §16):
 *
 *   00 padding         the rest of the record is ignored
 *   01 ping
 *   02 ack             carrier, records
 *   03 open            stream, length, target
 *   04 opened          stream
 *   05 data            stream, offset, length, bytes
 *   06 data and end    stream, offset, length, bytes
 *   07 reset           stream, code, final offset
 *   08 window          stream, limit
 *   09 session window  limit
 *   0a retire
 *   0b gone            carrier
 *   0c drain
 *   0d close           code
 *   0e arrival         carrier, time
 *   0f datagram        flow, length, target, length, bytes
 *   10 close flow      flow
 *   11 bond            carriers
 *   12 budget          limit
 */
const TYPE = {
  padding: 0x00,
  ping: 0x01,
  ack: 0x02,
  open: 0x03,
  opened: 0x04,
  data: 0x05,
  dataEnd: 0x06,
  reset: 0x07,
  window: 0x08,
  sessionWindow: 0x09,
  retire: 0x0a,
  gone: 0x0b,
  drain: 0x0c,
  close: 0x0d,
  arrival: 0x0e,
  datagram: 0x0f,
  closeFlow: 0x10,
  bond: 0x11,
  budget: 0x12,
} as const;

/** The most bytes that the target of an OPEN or DATAGRAM frame takes. */
export const MAX_TARGET_BYTES = 260;

/** The most bytes of one datagram: what UDP over IPv4 can carry (65,535 less 20 of IP and 8 of UDP). */
export const MAX_DATAGRAM_BYTES = 65_507;

/** Bytes of a stream at an offset, the last of them if `end`. */
export interface DataFrame {
  readonly type: 'data';
  readonly streamId: number;
  readonly offset: number;
  readonly bytes: Buffer;
  readonly end: boolean;
}

/** A datagram of a flow. `target` (encoded by `encodeTarget`): where it goes, or, from the relay, whence it came. */
export interface DatagramFrame {
  readonly type: 'datagram';
  readonly flowId: number;
  readonly target: Buffer;
  readonly bytes: Buffer;
}

/** All frames that are small, repeatable and carry no stream bytes. */
export type ControlFrame =
  /** Asks for an acknowledgement and nothing else. */
  | { readonly type: 'ping' }
  /** `records` records have been received on the carrier. */
  | { readonly type: 'ack'; readonly carrierId: number; readonly records: number }
  /**
   * When the last record that was received on the carrier arrived, in microseconds since a moment of the sender's choice that is the same
   * for all of the session. It stands before the `ack` that it belongs to.
   */
  | { readonly type: 'arrival'; readonly carrierId: number; readonly timeUs: number }
  /** Opens a stream to a target (encoded by `encodeTarget`). */
  | { readonly type: 'open'; readonly streamId: number; readonly target: Buffer }
  /** The relay has connected to the target. */
  | { readonly type: 'opened'; readonly streamId: number }
  /** Ends both directions of a stream at once; the sender's own direction ends at `finalOffset`. */
  | { readonly type: 'reset'; readonly streamId: number; readonly code: number; readonly finalOffset: number }
  /** The stream's receiver takes bytes below the offset `limit`. */
  | { readonly type: 'window'; readonly streamId: number; readonly limit: number }
  /** The session's receiver takes `limit` bytes over all streams, from the session's beginning. */
  | { readonly type: 'session-window'; readonly limit: number }
  /** The last frame that its sender puts on this carrier; everything new goes over others. */
  | { readonly type: 'retire' }
  /** The sender holds the carrier for lost and asks how many of its records have arrived. */
  | { readonly type: 'gone'; readonly carrierId: number }
  /** The relay asks for new streams to go elsewhere. */
  | { readonly type: 'drain' }
  /** The session is over. */
  | { readonly type: 'close'; readonly code: number }
  /** The client sends no more datagrams of this flow and wants none. */
  | { readonly type: 'close-flow'; readonly flowId: number }
  /** The client wants so many carriers, the newest ones, to be in use at once; the others are about to go. */
  | { readonly type: 'bond'; readonly carriers: number }
  /** The peer is to send no more than so many bytes on the carrier that this is on, from its first record on. */
  | { readonly type: 'budget'; readonly limit: number };

/** One frame. */
export type Frame = DataFrame | DatagramFrame | ControlFrame;

/** The largest header of a DATA frame in bytes. */
export const MAX_DATA_HEADER_BYTES = 1 + 8 + 8 + 4;

/** Bytes that the header of a DATA frame takes. */
export function dataHeaderBytes(streamId: number, offset: number, length: number): number {
  return 1 + varintLength(streamId) + varintLength(offset) + varintLength(length);
}

/** Writes the header of a DATA frame of `frame.bytes` into `target` at `position`; returns the position behind it. The bytes follow it. */
export function writeDataHeader(target: Buffer, frame: Omit<DataFrame, 'type'>, position: number): number {
  let next = target.writeUInt8(frame.end ? TYPE.dataEnd : TYPE.data, position);
  next = writeVarint(target, frame.streamId, next);
  next = writeVarint(target, frame.offset, next);
  return writeVarint(target, frame.bytes.length, next);
}

/** The largest header of a DATAGRAM frame in bytes, its target included. */
export const MAX_DATAGRAM_HEADER_BYTES: number = 1 + 8 + 2 + MAX_TARGET_BYTES + 4;

/** Writes the header of a DATAGRAM frame, its target included, as `writeDataHeader` does for DATA. */
export function writeDatagramHeader(target: Buffer, frame: Omit<DatagramFrame, 'type'>, position: number): number {
  let next = target.writeUInt8(TYPE.datagram, position);
  next = writeVarint(target, frame.flowId, next);
  next = writeVarint(target, frame.target.length, next);
  next += frame.target.copy(target, next);
  return writeVarint(target, frame.bytes.length, next);
}

function withNumbers(type: number, ...numbers: number[]): Buffer {
  const bytes = Buffer.allocUnsafe(1 + numbers.reduce((sum, number) => sum + varintLength(number), 0));
  let position = bytes.writeUInt8(type, 0);
  for (const number of numbers) position = writeVarint(bytes, number, position);
  return bytes;
}

/** Encodes a frame that holds neither stream bytes nor a datagram. */
export function encodeControlFrame(frame: ControlFrame): Buffer {
  switch (frame.type) {
    case 'ping':
      return withNumbers(TYPE.ping);
    case 'ack':
      return withNumbers(TYPE.ack, frame.carrierId, frame.records);
    case 'arrival':
      return withNumbers(TYPE.arrival, frame.carrierId, frame.timeUs);
    case 'open':
      return Buffer.concat([withNumbers(TYPE.open, frame.streamId, frame.target.length), frame.target]);
    case 'opened':
      return withNumbers(TYPE.opened, frame.streamId);
    case 'reset':
      return withNumbers(TYPE.reset, frame.streamId, frame.code, frame.finalOffset);
    case 'window':
      return withNumbers(TYPE.window, frame.streamId, frame.limit);
    case 'session-window':
      return withNumbers(TYPE.sessionWindow, frame.limit);
    case 'retire':
      return withNumbers(TYPE.retire);
    case 'gone':
      return withNumbers(TYPE.gone, frame.carrierId);
    case 'drain':
      return withNumbers(TYPE.drain);
    case 'close':
      return withNumbers(TYPE.close, frame.code);
    case 'close-flow':
      return withNumbers(TYPE.closeFlow, frame.flowId);
    case 'bond':
      return withNumbers(TYPE.bond, frame.carriers);
    case 'budget':
      return withNumbers(TYPE.budget, frame.limit);
  }
}

/** Encodes any frame into one buffer. The session builds its records piecewise instead, see `RecordBuilder`. */
export function encodeFrame(frame: Frame): Buffer {
  if (frame.type !== 'data' && frame.type !== 'datagram') return encodeControlFrame(frame);
  const header = Buffer.allocUnsafe(MAX_DATAGRAM_HEADER_BYTES);
  const length = frame.type === 'data' ? writeDataHeader(header, frame, 0) : writeDatagramHeader(header, frame, 0);
  return Buffer.concat([header.subarray(0, length), frame.bytes]);
}

/** A length of at most `most`, and that many bytes. */
function readBounded(reader: ByteReader, most: number): Buffer {
  const length = reader.varint();
  if (length > most) throw new ProtocolError('out-of-bounds', 'a field is too long');
  return reader.bytes(length);
}

function readOpen(reader: ByteReader): Frame {
  return { type: 'open', streamId: reader.varint(), target: readBounded(reader, MAX_TARGET_BYTES) };
}

function readDatagram(reader: ByteReader): Frame {
  const flowId = reader.varint();
  const target = readBounded(reader, MAX_TARGET_BYTES);
  return { type: 'datagram', flowId, target, bytes: readBounded(reader, MAX_DATAGRAM_BYTES) };
}

function readData(reader: ByteReader, end: boolean): Frame {
  const streamId = reader.varint();
  const offset = reader.varint();
  const bytes = reader.bytes(reader.varint());
  if (offset + bytes.length > Number.MAX_SAFE_INTEGER) throw new ProtocolError('out-of-bounds', 'offset too large');
  return { type: 'data', streamId, offset, bytes, end };
}

function readFrame(reader: ByteReader): Frame | null {
  const type = reader.uint8();
  switch (type) {
    case TYPE.padding:
      reader.rest();
      return null;
    case TYPE.ping:
      return { type: 'ping' };
    case TYPE.ack:
      return { type: 'ack', carrierId: reader.varint(), records: reader.varint() };
    case TYPE.arrival:
      return { type: 'arrival', carrierId: reader.varint(), timeUs: reader.varint() };
    case TYPE.open:
      return readOpen(reader);
    case TYPE.opened:
      return { type: 'opened', streamId: reader.varint() };
    case TYPE.data:
    case TYPE.dataEnd:
      return readData(reader, type === TYPE.dataEnd);
    case TYPE.reset:
      return { type: 'reset', streamId: reader.varint(), code: reader.varint(), finalOffset: reader.varint() };
    case TYPE.window:
      return { type: 'window', streamId: reader.varint(), limit: reader.varint() };
    case TYPE.sessionWindow:
      return { type: 'session-window', limit: reader.varint() };
    case TYPE.retire:
      return { type: 'retire' };
    case TYPE.gone:
      return { type: 'gone', carrierId: reader.varint() };
    case TYPE.drain:
      return { type: 'drain' };
    case TYPE.close:
      return { type: 'close', code: reader.varint() };
    case TYPE.datagram:
      return readDatagram(reader);
    case TYPE.closeFlow:
      return { type: 'close-flow', flowId: reader.varint() };
    case TYPE.bond:
      return { type: 'bond', carriers: reader.varint() };
    case TYPE.budget:
      return { type: 'budget', limit: reader.varint() };
    default:
      throw new ProtocolError('unsupported', 'unknown frame type');
  }
}

/**
 * Decodes the frames of one record. The bytes of streams and datagrams are views into `record`.
 * Throws a `ProtocolError` (`truncated`, `out-of-bounds`, `unsupported`); nothing of a broken record counts.
 */
export function decodeFrames(record: Buffer): Frame[] {
  const reader = new ByteReader(record);
  const frames: Frame[] = [];
  while (reader.remaining > 0) {
    const frame = readFrame(reader);
    if (frame !== null) frames.push(frame);
  }
  return frames;
}
