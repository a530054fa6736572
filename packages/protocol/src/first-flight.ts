// The outer layer of the two flights that open a carrier (docs/spec/wire.md §3.1):
//
//   client   salt 32 ‖ commit 32 ‖ sealed header 16+16 ‖ sealed body n+16
//   relay    salt 32             ‖ sealed header 16+16 ‖ sealed body n+16
//   header   version u8 ‖ flags u8 ‖ stamp u48 ‖ noise length u16 ‖ body length u16 ‖ zero u32
//   body     Noise message ‖ padding
//
// To whoever lacks the channel's access secret every byte is uniform; nothing here names a session.
import { hash } from 'node:crypto';
import { ByteReader } from './bytes.ts';
import { ProtocolError } from './errors.ts';
import { type FlightShape, flightShapeOf } from './flight-shape.ts';
import { deriveKey, expectKey, KEY_BYTES, open, seal, TAG_BYTES } from './keys.ts';

/** The most bytes that a flight, of either side, may have. */
export const MAX_FLIGHT_BYTES = 2048;
/** Bytes of the random salt that opens each flight. */
export const SALT_BYTES = 32;
/** Bytes of the tag that tells which channel's secret sealed a flight. */
export const COMMIT_BYTES = 32;
const HEADER_BYTES = 16;
const VERSION = 1;
const SYNCED_FLAG = 1;

/** Bytes of a sealed header. */
export const SEALED_HEADER_BYTES: number = HEADER_BYTES + TAG_BYTES;
/** Bytes before the sealed header of the client's flight. */
export const CLIENT_HEAD_BYTES: number = SALT_BYTES + COMMIT_BYTES;
/** Bytes before the sealed header of the relay's flight. */
export const RELAY_HEAD_BYTES: number = SALT_BYTES;

/** What a header says; in the relay's flight `stampMs` is 0 and `synced` is false. */
export interface FlightHeader {
  /** When the flight was made, in milliseconds since 1970 by the sender's clock. */
  readonly stampMs: number;
  /** Whether that clock has been corrected from a relay's reply. */
  readonly synced: boolean;
  readonly noiseBytes: number;
  /** Noise message and padding. */
  readonly bodyBytes: number;
}

function encodeHeader(header: FlightHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt8(header.synced ? SYNCED_FLAG : 0, 1);
  bytes.writeUIntBE(header.stampMs, 2, 6);
  bytes.writeUInt16BE(header.noiseBytes, 8);
  bytes.writeUInt16BE(header.bodyBytes, 10);
  return bytes;
}

/** Flag bits and the last four bytes that this version does not know are ignored. */
function decodeHeader(bytes: Buffer, headBytes: number): FlightHeader {
  const reader = new ByteReader(bytes);
  if (reader.uint8() !== VERSION) throw new ProtocolError('unsupported', 'unknown version');
  const synced = (reader.uint8() & SYNCED_FLAG) !== 0;
  const stampMs = reader.uint16() * 0x1_0000_0000 + reader.uint32();
  const noiseBytes = reader.uint16();
  const bodyBytes = reader.uint16();
  if (noiseBytes > bodyBytes || flightBytes(headBytes, bodyBytes) > MAX_FLIGHT_BYTES) {
    throw new ProtocolError('out-of-bounds', 'flight too long');
  }
  return { stampMs, synced, noiseBytes, bodyBytes };
}

/** Bytes of a whole flight whose part before the sealed header has `headBytes`. */
export function flightBytes(headBytes: number, bodyBytes: number): number {
  return headBytes + SEALED_HEADER_BYTES + bodyBytes + TAG_BYTES;
}

/** A distribution channel of a relay, ready for trying first flights against it. */
export interface Channel {
  /** What the caller calls the channel. */
  readonly id: string;
  readonly accessSecret: Buffer;
  readonly commitKey: Buffer;
  readonly shape: FlightShape;
}

/** Prepares a channel from its access secret (32 bytes). */
export function prepareChannel(id: string, accessSecret: Buffer): Channel {
  expectKey(accessSecret, 'access secret');
  return { id, accessSecret, commitKey: deriveKey(accessSecret, 'channel commit'), shape: flightShapeOf(accessSecret) };
}

/** The tag by which a relay finds the channel of a flight; it also binds the flight to that one secret. */
export function commitTo(commitKey: Buffer, salt: Buffer): Buffer {
  return hash('sha256', Buffer.concat([commitKey, salt]), 'buffer');
}

/**
 * The channel whose secret made `commit`, or null. One SHA-256 block pair per channel, into a string: that is the fastest form
 * node:crypto has. How long it takes tells a peer nothing, since a stranger is never answered.
 */
export function findChannel(channels: readonly Channel[], salt: Buffer, commit: Buffer): Channel | null {
  const input = Buffer.allocUnsafe(KEY_BYTES + SALT_BYTES);
  salt.copy(input, KEY_BYTES);
  const wanted = commit.toString('latin1');
  for (const channel of channels) {
    channel.commitKey.copy(input, 0);
    if (hash('sha256', input, 'latin1') === wanted) return channel;
  }
  return null;
}

/** Seals and opens the two parts of one flight. What precedes a part in the flight is its additional data. */
export interface FlightKey {
  readonly key: Buffer;
  /** Salt, and commit in the client's flight. */
  readonly head: Buffer;
}

/** The key of a client's flight that begins with `salt` and `commit`. */
export function clientFlightKey(accessSecret: Buffer, head: Buffer): FlightKey {
  return { key: deriveKey(accessSecret, 'client flight', head.subarray(0, SALT_BYTES)), head };
}

/** The key of the relay's flight that begins with `relaySalt` and answers a flight that began with `clientSalt`. */
export function relayFlightKey(accessSecret: Buffer, clientSalt: Buffer, relaySalt: Buffer): FlightKey {
  return { key: deriveKey(accessSecret, 'relay flight', Buffer.concat([clientSalt, relaySalt])), head: relaySalt };
}

/** Makes the header of a flight; throws `out-of-bounds` when the flight would be longer than `MAX_FLIGHT_BYTES`. */
export function makeHeader(
  { head }: FlightKey,
  { stampMs, synced, noiseBytes, paddingBytes }: Omit<FlightHeader, 'bodyBytes'> & { readonly paddingBytes: number },
): Buffer {
  const bodyBytes = noiseBytes + paddingBytes;
  if (flightBytes(head.length, bodyBytes) > MAX_FLIGHT_BYTES)
    throw new ProtocolError('out-of-bounds', 'flight too long');
  return encodeHeader({ stampMs, synced, noiseBytes, bodyBytes });
}

/** The whole flight. `header` is what `makeHeader` returned for the length of this Noise message and this padding. */
export function sealFlight(
  { key, head }: FlightKey,
  header: Buffer,
  { noiseMessage, paddingBytes }: { readonly noiseMessage: Buffer; readonly paddingBytes: number },
): Buffer {
  const sealedHeader = seal(header, { key, counter: 0, aad: head });
  const body = Buffer.concat([noiseMessage, Buffer.alloc(paddingBytes)]);
  const aad = Buffer.concat([head, sealedHeader]);
  return Buffer.concat([aad, seal(body, { key, counter: 1, aad })]);
}

/** Opens the header of a flight: its plaintext, and what it says. Throws a `ProtocolError`. */
export function openHeader(
  { key, head }: FlightKey,
  sealedHeader: Buffer,
): { plaintext: Buffer; header: FlightHeader } {
  const plaintext = open(sealedHeader, { key, counter: 0, aad: head });
  return { plaintext, header: decodeHeader(plaintext, head.length) };
}

/** Opens the body of a flight that has come whole and returns the Noise message. Throws `not-authentic`. */
export function openBody({ key, head }: FlightKey, header: FlightHeader, flight: Buffer): Buffer {
  const bodyStart = head.length + SEALED_HEADER_BYTES;
  const body = open(flight.subarray(bodyStart), { key, counter: 1, aad: flight.subarray(0, bodyStart) });
  return body.subarray(0, header.noiseBytes);
}

/** What Noise mixes in first: so the outer layer cannot be changed, not even by another holder of the access secret. */
export function noisePrologue(head: Buffer, header: Buffer): Buffer {
  return Buffer.concat([Buffer.from('rozan/1', 'latin1'), head, header]);
}
