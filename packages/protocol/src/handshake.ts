// The one-round-trip handshake that opens every carrier: the client's side, as a pure machine (docs/spec/wire.md §3).
import {
  type AttachReply,
  type AttachRequest,
  attachMac,
  decodeAttachReply,
  encodeAttachRequest,
  FIRST_CARRIER_ID,
} from './attach.ts';
import { ProtocolError } from './errors.ts';
import {
  clientFlightKey,
  commitTo,
  makeHeader,
  noisePrologue,
  prepareChannel,
  RELAY_HEAD_BYTES,
  relayFlightKey,
  SALT_BYTES,
  sealFlight,
} from './first-flight.ts';
import { FlightReader } from './flight-reader.ts';
import { homeTag } from './home-tag.ts';
import { deriveKey, KEY_BYTES } from './keys.ts';
import { lookupId, lookupKeyOf } from './lookup.ts';
import { NOISE_OVERHEAD_BYTES, NoiseInitiator, type NoiseResult } from './noise.ts';
import { type RecordKeys, recordKeysOf } from './record.ts';

/** Where fresh random bytes come from. */
export type RandomBytes = (count: number) => Buffer;

/** The keys of both directions of a carrier, from the side of their owner. */
export interface CarrierKeys {
  readonly send: RecordKeys;
  readonly receive: RecordKeys;
}

/** A new session's secret, from the final state of the handshake that makes it. */
export function exportSessionSecret({ chainingKey, handshakeHash }: NoiseResult): Buffer {
  return deriveKey(chainingKey, 'session', handshakeHash);
}

/** What a client asks for: a new session, or one more carrier for a session it has. */
export type ClientAttach =
  | { readonly kind: 'new' }
  | {
      readonly kind: 'resume';
      readonly sessionSecret: Buffer;
      /** From the session's `LookupCounter`. */
      readonly counter: number;
      /** Never used before in this session; u32, from 1. */
      readonly carrierId: number;
    };

/** A flight for another relay, to be passed on: by a client to the relay that is to forward it, by that one to the home. */
export type ForwardAttach =
  | {
      readonly kind: 'forward';
      /** The static public key of the relay that the flight is for, 32 bytes. */
      readonly homeKey: Buffer;
      readonly flight: Buffer;
    }
  | { readonly kind: 'forwarded'; readonly flight: Buffer };

/** What the client's side starts from. */
export interface ClientHandshakeOptions {
  /** The relay's static X25519 public key, 32 bytes. */
  readonly relayPublicKey: Buffer;
  /** The access secret of the channel that the entry came by, 32 bytes. */
  readonly accessSecret: Buffer;
  readonly attach: ClientAttach | ForwardAttach;
  /** The client's idea of the time, in milliseconds since 1970. */
  readonly stampMs: number;
  /** Whether that idea has been corrected from a relay's reply. */
  readonly synced: boolean;
  readonly paddingBytes: number;
  readonly random: RandomBytes;
}

/** A handshake that has ended well, on the client's side. */
export interface ClientHandshakeDone {
  readonly reply: AttachReply;
  /** The new session's secret; null for a resumed session and when the reply does not accept. */
  readonly sessionSecret: Buffer | null;
  readonly keys: CarrierKeys;
  /** Bytes behind the relay's flight: the beginning of its records. */
  readonly leftover: Buffer;
}

/** The client's handshake: send `flight`, then feed what comes. */
export interface ClientHandshake {
  readonly flight: Buffer;
  /** Takes the next bytes from the relay, in any pieces; null until its flight is whole. Throws a `ProtocolError`. */
  receive(chunk: Buffer): ClientHandshakeDone | null;
}

function buildRequest(attach: ClientHandshakeOptions['attach'], handshakeHash: Buffer): AttachRequest {
  if (attach.kind === 'new' || attach.kind === 'forwarded') return attach;
  if (attach.kind === 'forward') {
    const { homeKey, flight } = attach;
    return { kind: 'forward', homeTag: homeTag(homeKey, handshakeHash), flight };
  }
  const { sessionSecret, counter, carrierId } = attach;
  const id = lookupId(lookupKeyOf(sessionSecret), counter);
  return {
    kind: 'resume',
    lookupId: id,
    carrierId,
    mac: attachMac({ sessionSecret, handshakeHash, lookupId: id, carrierId }),
  };
}

/** Makes a client's first flight. Draws 32 bytes of salt, then 32 of ephemeral key. Throws `out-of-bounds` when it gets too long. */
export function startClientHandshake(options: ClientHandshakeOptions): ClientHandshake {
  const { attach, accessSecret, relayPublicKey, paddingBytes, random, stampMs, synced } = options;
  const salt = random(SALT_BYTES);
  const ephemeralPrivateKey = random(KEY_BYTES);
  const head = Buffer.concat([salt, commitTo(prepareChannel('', accessSecret).commitKey, salt)]);
  const flightKey = clientFlightKey(accessSecret, head);
  // The header names the length of a message whose mac depends on the header: every request of one kind is equally long.
  const noiseBytes = NOISE_OVERHEAD_BYTES + encodeAttachRequest(buildRequest(attach, Buffer.alloc(KEY_BYTES))).length;
  const header = makeHeader(flightKey, { stampMs, synced, noiseBytes, paddingBytes });
  const noise = new NoiseInitiator({ prologue: noisePrologue(head, header), relayPublicKey, ephemeralPrivateKey });
  const noiseMessage = noise.writeMessage1(encodeAttachRequest(buildRequest(attach, noise.payloadHash)));
  const flight = sealFlight(flightKey, header, { noiseMessage, paddingBytes });

  const reader = new FlightReader(RELAY_HEAD_BYTES, (relaySalt) => relayFlightKey(accessSecret, salt, relaySalt));
  const receive = (chunk: Buffer): ClientHandshakeDone | null => {
    const opened = reader.receive(chunk);
    if (opened === null) return null;
    const { payload, result } = noise.readMessage2(opened.noiseMessage);
    const reply = decodeAttachReply(payload);
    if (reply.carrierId !== (attach.kind === 'resume' ? attach.carrierId : FIRST_CARRIER_ID)) {
      throw new ProtocolError('violation', 'the reply is for another carrier');
    }
    const isNewSession = attach.kind === 'new' && reply.status === 'accepted';
    return {
      reply,
      sessionSecret: isNewSession ? exportSessionSecret(result) : null,
      keys: { send: recordKeysOf(result.initiatorKey), receive: recordKeysOf(result.responderKey) },
      leftover: opened.leftover,
    };
  };
  return { flight, receive };
}
