// The one-round-trip handshake that opens every carrier: the relay's side, as a pure machine (docs/spec/wire.md §3).
import {
  type AttachReply,
  type AttachRequest,
  attachMacFits,
  decodeAttachRequest,
  encodeAttachReply,
  FIRST_CARRIER_ID,
} from './attach.ts';
import { ProtocolError } from './errors.ts';
import {
  type Channel,
  CLIENT_HEAD_BYTES,
  clientFlightKey,
  findChannel,
  makeHeader,
  noisePrologue,
  relayFlightKey,
  SALT_BYTES,
  sealFlight,
} from './first-flight.ts';
import { FlightReader, type OpenedFlight } from './flight-reader.ts';
import type { PaddingRange } from './flight-shape.ts';
import { type CarrierKeys, exportSessionSecret, type RandomBytes } from './handshake.ts';
import { homeTagFits } from './home-tag.ts';
import { KEY_BYTES, type KeyPair } from './keys.ts';
import { NOISE_OVERHEAD_BYTES, NoiseResponder } from './noise.ts';
import { recordKeysOf } from './record.ts';
import { REPLAY_ID_BYTES } from './replay-memory.ts';

/** What the relay's side starts from. */
export interface RelayHandshakeOptions {
  /** The relay's static key pair, made once by `keyPairOf`. */
  readonly relayKey: KeyPair;
  readonly channels: readonly Channel[];
}

/** What the relay answers with; the carrier id is that of the request. */
export interface AcceptOptions {
  readonly reply: Omit<AttachReply, 'carrierId'>;
  readonly paddingBytes: number;
  readonly random: RandomBytes;
}

/** A handshake that has ended well, on the relay's side. */
export interface RelayHandshakeDone {
  /** To be sent. */
  readonly flight: Buffer;
  readonly keys: CarrierKeys;
  /** The new session's secret; null for a resumed session and when the reply does not accept. */
  readonly sessionSecret: Buffer | null;
}

/** An attach request that only someone who talks to this relay's key can have made. */
export interface AttachAttempt {
  readonly request: AttachRequest;
  /** Where the padding of the answer is drawn from. */
  readonly padding: PaddingRange;
  /** Whether a resume request was made with this session secret, in constant time; false for a new session. */
  verifyResume(sessionSecret: Buffer): boolean;
  /** Whether a forward request names the relay with this static public key, in constant time; false for other requests. */
  namesHome(homeKey: Buffer): boolean;
  /**
   * Makes the relay's flight, whatever its status; once. Draws 32 bytes of salt, then 32 of ephemeral key. Throws
   * `out-of-bounds` when the flight gets too long.
   */
  accept(options: AcceptOptions): RelayHandshakeDone;
}

/** A first flight whose outer layer is authentic: its sender holds the channel's access secret, and no key was computed with yet. */
export interface ClientFlight {
  /** The id of the channel. */
  readonly channelId: string;
  /** When the flight was made, by the sender's clock, in milliseconds since 1970. */
  readonly stampMs: number;
  /** Whether that clock has been corrected from a relay's reply. */
  readonly synced: boolean;
  /** The answer is to come after a random time below this, in milliseconds. */
  readonly answerDelayMs: number;
  /** The flight's name in the replay memory. */
  readonly replayId: Buffer;
  /** The flight itself, for whoever is to judge it anew. */
  readonly bytes: Buffer;
  /** Bytes behind the flight. */
  readonly leftover: Buffer;
  /** Computes with the relay's key; call it only when the replay memory says `fresh`. Throws a `ProtocolError`. */
  open(): AttachAttempt;
}

function openAttempt(flight: OpenedFlight, channel: Channel, relayKey: KeyPair): AttachAttempt {
  const { head, headerPlaintext, noiseMessage } = flight;
  const noise = new NoiseResponder({ prologue: noisePrologue(head, headerPlaintext), relayKey, message: noiseMessage });
  const request = decodeAttachRequest(noise.payload);
  const carrierId = request.kind === 'resume' ? request.carrierId : FIRST_CARRIER_ID;

  const accept = ({ reply, paddingBytes, random }: AcceptOptions): RelayHandshakeDone => {
    const salt = random(SALT_BYTES);
    const flightKey = relayFlightKey(channel.accessSecret, head.subarray(0, SALT_BYTES), salt);
    const payload = encodeAttachReply({ ...reply, carrierId });
    const noiseBytes = NOISE_OVERHEAD_BYTES + payload.length;
    const header = makeHeader(flightKey, { stampMs: 0, synced: false, noiseBytes, paddingBytes });
    const { message, result } = noise.writeMessage2(payload, random(KEY_BYTES));
    const isNewSession = request.kind === 'new' && reply.status === 'accepted';
    return {
      flight: sealFlight(flightKey, header, { noiseMessage: message, paddingBytes }),
      keys: { send: recordKeysOf(result.responderKey), receive: recordKeysOf(result.initiatorKey) },
      sessionSecret: isNewSession ? exportSessionSecret(result) : null,
    };
  };

  return {
    request,
    padding: channel.shape.relay,
    verifyResume: (sessionSecret) =>
      request.kind === 'resume' &&
      attachMacFits(request.mac, { ...request, sessionSecret, handshakeHash: noise.payloadHash }),
    namesHome: (homeKey) => request.kind === 'forward' && homeTagFits(request.homeTag, homeKey, noise.payloadHash),
    accept,
  };
}

/**
 * Reads one client's first flight. At most 2048 bytes are kept. Every error is a `ProtocolError` and means: treat the peer as a
 * stranger; no public-key operation has happened by then.
 */
export class RelayHandshake {
  readonly #relayKey: KeyPair;
  readonly #reader: FlightReader;
  #channel: Channel | null = null;

  constructor({ relayKey, channels }: RelayHandshakeOptions) {
    this.#relayKey = relayKey;
    this.#reader = new FlightReader(CLIENT_HEAD_BYTES, (head) => {
      const channel = findChannel(channels, head.subarray(0, SALT_BYTES), head.subarray(SALT_BYTES));
      if (channel === null) throw new ProtocolError('not-authentic', 'no channel made this flight');
      this.#channel = channel;
      return clientFlightKey(channel.accessSecret, head);
    });
  }

  /** Takes the next bytes from the peer, in any pieces; null until its flight is whole. Throws a `ProtocolError`. */
  receive(chunk: Buffer): ClientFlight | null {
    const flight = this.#reader.receive(chunk);
    const channel = this.#channel;
    if (flight === null || channel === null) return null;
    return {
      channelId: channel.id,
      answerDelayMs: channel.shape.answerDelayMs,
      stampMs: flight.header.stampMs,
      synced: flight.header.synced,
      replayId: flight.head.subarray(SALT_BYTES, SALT_BYTES + REPLAY_ID_BYTES),
      bytes: flight.bytes,
      leftover: flight.leftover,
      open: () => openAttempt(flight, channel, this.#relayKey),
    };
  }
}
