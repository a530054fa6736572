// What travels inside the Noise payloads of the two flights (docs/spec/wire.md §4):
//
//   attach request   kind u8 = 0 (new)                                                        ‖ extensions
//                    kind u8 = 1 (resume) ‖ lookup id 16 ‖ carrier id u32 ‖ mac 32            ‖ extensions
//                    kind u8 = 2 (forward) ‖ home tag 16 ‖ length u16 ‖ client flight         ‖ extensions
//                    kind u8 = 3 (forwarded) ‖ length u16 ‖ client flight                     ‖ extensions
//   attach reply     status u8 ‖ relay time u48 ‖ retention u32 ‖ carrier id u32              ‖ extensions
//   extension        type varint ‖ length varint ‖ value
//
// An extension of an unknown type is skipped. The last two kinds carry a flight for another relay: docs/spec/reroute.md.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ByteReader, varintLength, writeVarint } from './bytes.ts';
import { ProtocolError } from './errors.ts';
import { MAX_FLIGHT_BYTES } from './first-flight.ts';
import { HOME_TAG_BYTES } from './home-tag.ts';
import { deriveKey, expectKey, KEY_BYTES } from './keys.ts';

/** Bytes of a lookup id. */
export const LOOKUP_ID_BYTES = 16;
/** The carrier id of the carrier that made the session. */
export const FIRST_CARRIER_ID = 0;
const MAX_CARRIER_ID = 0xffff_ffff;
const MAC_LABEL = Buffer.from('attach', 'latin1');

/** A field that not every implementation knows. */
export interface AttachExtension {
  readonly type: number;
  readonly value: Buffer;
}

/** What a client asks for in its first flight. */
export type AttachRequest =
  | { readonly kind: 'new'; readonly extensions?: readonly AttachExtension[] }
  | {
      readonly kind: 'resume';
      /** Names the session to its relay, and to nobody else; 16 bytes. */
      readonly lookupId: Buffer;
      /** The client's number for the new carrier, never used before in this session; u32, from 1. */
      readonly carrierId: number;
      /** Shows that the client knows the session's secret; 32 bytes. */
      readonly mac: Buffer;
      readonly extensions?: readonly AttachExtension[];
    }
  | {
      /** A client asks this relay to pass its flight on to another one. */
      readonly kind: 'forward';
      /** Names that other relay, for this one handshake; 16 bytes. */
      readonly homeTag: Buffer;
      /** What the other relay is to be sent. */
      readonly flight: Buffer;
      readonly extensions?: readonly AttachExtension[];
    }
  | {
      /** A relay passes on what a client has asked it to. */
      readonly kind: 'forwarded';
      readonly flight: Buffer;
      readonly extensions?: readonly AttachExtension[];
    };

const STATUSES = ['accepted', 'unknown-session', 'busy'] as const;

/** How a relay answers an attach request. */
export type AttachStatus = (typeof STATUSES)[number];

/** The relay's answer. */
export interface AttachReply {
  readonly status: AttachStatus;
  /** The relay's clock, in milliseconds since 1970. */
  readonly relayTimeMs: number;
  /** How long the relay keeps the session with no carrier attached. */
  readonly retentionMs: number;
  /** The carrier id of the request, 0 for a new session. */
  readonly carrierId: number;
  readonly extensions?: readonly AttachExtension[];
}

function encodeExtensions(extensions: readonly AttachExtension[] = []): Buffer {
  const parts = extensions.flatMap(({ type, value }) => {
    const head = Buffer.alloc(varintLength(type) + varintLength(value.length));
    writeVarint(head, value.length, writeVarint(head, type, 0));
    return [head, value];
  });
  return Buffer.concat(parts);
}

function decodeExtensions(reader: ByteReader): AttachExtension[] {
  const extensions: AttachExtension[] = [];
  while (reader.remaining > 0) {
    const type = reader.varint();
    extensions.push({ type, value: reader.bytes(reader.varint()) });
  }
  return extensions;
}

/** The request as bytes. Throws `out-of-bounds` when a field has the wrong size. */
export function encodeAttachRequest(request: AttachRequest): Buffer {
  const extensions = encodeExtensions(request.extensions);
  if (request.kind === 'new') return Buffer.concat([Buffer.of(0), extensions]);
  if (request.kind === 'forwarded') return Buffer.concat([Buffer.of(3), encodeInnerFlight(request.flight), extensions]);
  if (request.kind === 'forward') {
    if (request.homeTag.length !== HOME_TAG_BYTES) throw new ProtocolError('out-of-bounds', 'home tag of a wrong size');
    return Buffer.concat([Buffer.of(2), request.homeTag, encodeInnerFlight(request.flight), extensions]);
  }
  const { lookupId, carrierId, mac } = request;
  if (lookupId.length !== LOOKUP_ID_BYTES || mac.length !== KEY_BYTES) {
    throw new ProtocolError('out-of-bounds', 'lookup id or mac of a wrong size');
  }
  return Buffer.concat([Buffer.of(1), lookupId, encodeCarrierId(carrierId), mac, extensions]);
}

/** Reads a request. Throws a `ProtocolError` (`truncated`, `unsupported`, `malformed`). */
export function decodeAttachRequest(bytes: Buffer): AttachRequest {
  const reader = new ByteReader(bytes);
  const kind = reader.uint8();
  if (kind === 0) return { kind: 'new', extensions: decodeExtensions(reader) };
  if (kind === 2) {
    const homeTag = reader.bytes(HOME_TAG_BYTES);
    return { kind: 'forward', homeTag, flight: decodeInnerFlight(reader), extensions: decodeExtensions(reader) };
  }
  if (kind === 3) return { kind: 'forwarded', flight: decodeInnerFlight(reader), extensions: decodeExtensions(reader) };
  if (kind !== 1) throw new ProtocolError('unsupported', 'unknown kind of attach request');
  const lookupId = reader.bytes(LOOKUP_ID_BYTES);
  const carrierId = reader.uint32();
  if (carrierId === FIRST_CARRIER_ID) throw new ProtocolError('malformed', 'carrier id of a new session');
  return { kind: 'resume', lookupId, carrierId, mac: reader.bytes(KEY_BYTES), extensions: decodeExtensions(reader) };
}

function encodeInnerFlight(flight: Buffer): Buffer {
  // Whether it fits into the flight around it is seen there.
  if (flight.length === 0 || flight.length > MAX_FLIGHT_BYTES) throw new ProtocolError('out-of-bounds', 'inner flight');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(flight.length);
  return Buffer.concat([length, flight]);
}

function decodeInnerFlight(reader: ByteReader): Buffer {
  const length = reader.uint16();
  if (length === 0 || length > MAX_FLIGHT_BYTES) throw new ProtocolError('out-of-bounds', 'inner flight');
  return reader.bytes(length);
}

function encodeCarrierId(carrierId: number): Buffer {
  if (!Number.isInteger(carrierId) || carrierId < 0 || carrierId > MAX_CARRIER_ID) {
    throw new ProtocolError('out-of-bounds', 'carrier id');
  }
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(carrierId);
  return bytes;
}

/** The reply as bytes. */
export function encodeAttachReply(reply: AttachReply): Buffer {
  const head = Buffer.alloc(11);
  head.writeUInt8(STATUSES.indexOf(reply.status), 0);
  head.writeUIntBE(reply.relayTimeMs, 1, 6);
  head.writeUInt32BE(reply.retentionMs, 7);
  return Buffer.concat([head, encodeCarrierId(reply.carrierId), encodeExtensions(reply.extensions)]);
}

/** Reads a reply. Throws a `ProtocolError` (`truncated`, `unsupported`). */
export function decodeAttachReply(bytes: Buffer): AttachReply {
  const reader = new ByteReader(bytes);
  const status = STATUSES[reader.uint8()];
  if (status === undefined) throw new ProtocolError('unsupported', 'unknown attach status');
  const relayTimeMs = reader.uint16() * 0x1_0000_0000 + reader.uint32();
  const retentionMs = reader.uint32();
  return { status, relayTimeMs, retentionMs, carrierId: reader.uint32(), extensions: decodeExtensions(reader) };
}

/** What a resume request's mac covers. */
export interface AttachMacInput {
  /** The session's secret, 32 bytes. */
  readonly sessionSecret: Buffer;
  /** `payloadHash` of the carrier's Noise handshake. */
  readonly handshakeHash: Buffer;
  readonly lookupId: Buffer;
  readonly carrierId: number;
}

/** The mac of a resume request. It holds for one handshake only, so that no other flight can carry it. */
export function attachMac({ sessionSecret, handshakeHash, lookupId, carrierId }: AttachMacInput): Buffer {
  return createHmac('sha256', deriveKey(expectKey(sessionSecret, 'session secret'), 'attach'))
    .update(MAC_LABEL)
    .update(handshakeHash)
    .update(lookupId)
    .update(encodeCarrierId(carrierId))
    .digest();
}

/** Whether `mac` is the mac of these inputs, in constant time. */
export function attachMacFits(mac: Buffer, input: AttachMacInput): boolean {
  return mac.length === KEY_BYTES && timingSafeEqual(mac, attachMac(input));
}
