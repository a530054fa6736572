// Capture files: libpcap's classic format, and pcapng (draft-ietf-opsawg-pcapng). Packets come out with their times and the kind of link they were
// taken from. What is cut short ends the file quietly, as a capture that was stopped does.

/** A packet as it was captured. */
export interface CapturedPacket {
  /** Milliseconds since 1970, with fraction. */
  readonly atMs: number;
  /** LINKTYPE_ number. */
  readonly link: number;
  readonly bytes: Buffer;
}

/** A file that is no capture. */
export class CaptureError extends Error {
  override readonly name = 'CaptureError';
}

const CLASSIC_MAGICS: ReadonlyMap<number, number> = new Map([
  [0xa1b2c3d4, 1e3],
  [0xa1b23c4d, 1e6],
]);
const CLASSIC_HEADER_BYTES = 24;
const CLASSIC_RECORD_BYTES = 16;
const SECTION_BLOCK = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE_BLOCK = 1;
const SIMPLE_BLOCK = 3;
const ENHANCED_BLOCK = 6;
const RESOLUTION_OPTION = 9;
const LEAST_BLOCK_BYTES = 12;
const MICROSECONDS = 1e3;
/** No link carries longer packets. */
const MAX_PACKET_BYTES = 262_144;

/** Numbers in the byte order of the file. */
class Reader {
  readonly #bytes: Buffer;
  readonly #isBig: boolean;

  constructor(bytes: Buffer, isBig: boolean) {
    this.#bytes = bytes;
    this.#isBig = isBig;
  }

  uint16(at: number): number {
    return this.#isBig ? this.#bytes.readUInt16BE(at) : this.#bytes.readUInt16LE(at);
  }

  uint32(at: number): number {
    return this.#isBig ? this.#bytes.readUInt32BE(at) : this.#bytes.readUInt32LE(at);
  }
}

/** The packets of a capture file, in its order. Throws `CaptureError` for what is none. */
export function readCapture(file: Buffer): CapturedPacket[] {
  if (file.length < LEAST_BLOCK_BYTES) throw new CaptureError('too short for a capture');
  if (file.readUInt32BE(0) === SECTION_BLOCK) return readNextGeneration(file);
  for (const isBig of [true, false]) {
    const reader = new Reader(file, isBig);
    const unitsPerMs = CLASSIC_MAGICS.get(reader.uint32(0));
    if (unitsPerMs !== undefined) return readClassic(file, reader, unitsPerMs);
  }
  throw new CaptureError('neither pcap nor pcapng');
}

function readClassic(file: Buffer, reader: Reader, unitsPerMs: number): CapturedPacket[] {
  if (file.length < CLASSIC_HEADER_BYTES) throw new CaptureError('too short for a capture');
  const link = reader.uint32(20) & 0xffff;
  const packets: CapturedPacket[] = [];
  for (let at = CLASSIC_HEADER_BYTES; at + CLASSIC_RECORD_BYTES <= file.length; ) {
    const length = reader.uint32(at + 8);
    const start = at + CLASSIC_RECORD_BYTES;
    if (length > MAX_PACKET_BYTES || start + length > file.length) break;
    const atMs = reader.uint32(at) * 1000 + reader.uint32(at + 4) / unitsPerMs;
    packets.push({ atMs, link, bytes: file.subarray(start, start + length) });
    at = start + length;
  }
  return packets;
}

interface Interface {
  readonly link: number;
  readonly unitsPerMs: number;
}

function readNextGeneration(file: Buffer): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  let interfaces: Interface[] = [];
  let reader = new Reader(file, true);
  for (let at = 0; at + LEAST_BLOCK_BYTES <= file.length; ) {
    if (file.readUInt32BE(at) === SECTION_BLOCK) {
      reader = new Reader(file, file.readUInt32BE(at + 8) === BYTE_ORDER);
      interfaces = [];
    }
    const length = reader.uint32(at + 4);
    if (length < LEAST_BLOCK_BYTES || length % 4 !== 0 || at + length > file.length) break;
    const block = { at: at + 8, end: at + length - 4 };
    const type = reader.uint32(at);
    if (type === INTERFACE_BLOCK) interfaces.push(readInterface(file, reader, block));
    else {
      const packet = readPacketBlock(file, reader, { type, interfaces, ...block });
      if (packet !== null) packets.push(packet);
    }
    at += length;
  }
  return packets;
}

interface Block {
  readonly at: number;
  readonly end: number;
}

function readInterface(file: Buffer, reader: Reader, { at, end }: Block): Interface {
  if (at + 8 > end) return { link: -1, unitsPerMs: MICROSECONDS };
  let unitsPerMs = MICROSECONDS;
  for (let option = at + 8; option + 4 <= end; ) {
    const length = reader.uint16(option + 2);
    if (reader.uint16(option) === RESOLUTION_OPTION && length === 1 && option + 4 < end) {
      const value = file.readUInt8(option + 4);
      unitsPerMs = (value & 0x80 ? 2 ** (value & 0x7f) : 10 ** value) / 1000;
    }
    option += 4 + Math.ceil(length / 4) * 4;
  }
  return { link: reader.uint16(at), unitsPerMs };
}

function readPacketBlock(
  file: Buffer,
  reader: Reader,
  { at, end, type, interfaces }: Block & { readonly type: number; readonly interfaces: readonly Interface[] },
): CapturedPacket | null {
  if (type === SIMPLE_BLOCK && at + 4 <= end) {
    const [first] = interfaces;
    const length = Math.min(reader.uint32(at), end - at - 4);
    return first === undefined ? null : { atMs: 0, link: first.link, bytes: file.subarray(at + 4, at + 4 + length) };
  }
  if (type !== ENHANCED_BLOCK || at + 20 > end) return null;
  const from = interfaces[reader.uint32(at)];
  const length = reader.uint32(at + 12);
  if (from === undefined || length > end - at - 20) return null;
  const units = reader.uint32(at + 4) * 2 ** 32 + reader.uint32(at + 8);
  return { atMs: units / from.unitsPerMs, link: from.link, bytes: file.subarray(at + 20, at + 20 + length) };
}
