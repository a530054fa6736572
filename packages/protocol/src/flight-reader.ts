import { ProtocolError } from './errors.ts';
import {
  type FlightHeader,
  type FlightKey,
  flightBytes,
  openBody,
  openHeader,
  SEALED_HEADER_BYTES,
} from './first-flight.ts';

/** Collects the bytes of one flight as they come, never more than the flight has. */
class FlightBuffer {
  #bytes: Buffer = Buffer.alloc(0);
  #filled = 0;

  /** Copies from `chunk` until `wanted` bytes are there and returns what of `chunk` is left over. */
  fill(chunk: Buffer, wanted: number): Buffer {
    if (this.#bytes.length < wanted) {
      const grown = Buffer.alloc(wanted);
      this.#bytes.copy(grown, 0, 0, this.#filled);
      this.#bytes = grown;
    }
    const taken = chunk.copy(this.#bytes, this.#filled, 0, Math.min(chunk.length, wanted - this.#filled));
    this.#filled += taken;
    return chunk.subarray(taken);
  }

  get filled(): number {
    return this.#filled;
  }

  /** The bytes from `start` to `end`, which must have come. */
  slice(start: number, end: number): Buffer {
    return this.#bytes.subarray(start, end);
  }
}

/** A flight whose outer layer has been authenticated. */
export interface OpenedFlight {
  /** The part before the sealed header. */
  readonly head: Buffer;
  readonly headerPlaintext: Buffer;
  readonly header: FlightHeader;
  readonly noiseMessage: Buffer;
  /** The whole flight as it came, without what was behind it. */
  readonly bytes: Buffer;
  /** Bytes behind the flight, as a view of the last chunk. */
  readonly leftover: Buffer;
}

/** Reads one flight of either side: head, header, body, each authenticated before the next is waited for. */
export class FlightReader {
  readonly #buffer = new FlightBuffer();
  readonly #headBytes: number;
  readonly #keyOf: (head: Buffer) => FlightKey;
  #flightKey: FlightKey | null = null;
  #opened: { plaintext: Buffer; header: FlightHeader } | null = null;
  #over = false;

  /** `keyOf` finds the key for a head, or throws. */
  constructor(headBytes: number, keyOf: (head: Buffer) => FlightKey) {
    this.#headBytes = headBytes;
    this.#keyOf = keyOf;
  }

  /** Takes the next bytes, in any pieces; null until the flight is whole. Throws a `ProtocolError`, and then every time. */
  receive(chunk: Buffer): OpenedFlight | null {
    if (this.#over) throw new ProtocolError('not-authentic', 'the handshake is over');
    this.#over = true;
    const flight = this.#advance(chunk);
    this.#over = flight !== null;
    return flight;
  }

  #advance(chunk: Buffer): OpenedFlight | null {
    const headBytes = this.#headBytes;
    const buffer = this.#buffer;
    let rest = chunk;
    if (this.#flightKey === null) {
      rest = buffer.fill(rest, headBytes);
      if (buffer.filled < headBytes) return null;
      this.#flightKey = this.#keyOf(Buffer.from(buffer.slice(0, headBytes)));
    }
    const bodyStart = headBytes + SEALED_HEADER_BYTES;
    if (this.#opened === null) {
      rest = buffer.fill(rest, bodyStart);
      if (buffer.filled < bodyStart) return null;
      this.#opened = openHeader(this.#flightKey, buffer.slice(headBytes, bodyStart));
    }
    const { plaintext, header } = this.#opened;
    const end = flightBytes(headBytes, header.bodyBytes);
    const leftover = buffer.fill(rest, end);
    if (buffer.filled < end) return null;
    const bytes = buffer.slice(0, end);
    const noiseMessage = openBody(this.#flightKey, header, bytes);
    return { head: this.#flightKey.head, headerPlaintext: plaintext, header, noiseMessage, bytes, leftover };
  }
}
