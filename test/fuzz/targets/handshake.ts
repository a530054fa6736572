import {
  decodeAttachReply,
  decodeAttachRequest,
  encodeAttachReply,
  encodeAttachRequest,
} from '../../../packages/protocol/src/attach.ts';
import {
  clientFlightKey,
  commitTo,
  makeHeader,
  noisePrologue,
  openBody,
  openHeader,
  prepareChannel,
  relayFlightKey,
  sealFlight,
} from '../../../packages/protocol/src/first-flight.ts';
import {
  type ClientAttach,
  type ForwardAttach,
  startClientHandshake,
} from '../../../packages/protocol/src/handshake.ts';
import { keyPairOf } from '../../../packages/protocol/src/keys.ts';
import { NoiseInitiator } from '../../../packages/protocol/src/noise.ts';
import { RelayHandshake } from '../../../packages/protocol/src/relay-handshake.ts';
import { type FuzzTarget, holds, outcomeOf } from '../target.ts';

const allowedErrors = ['ProtocolError'];
const RELAY_KEY = keyPairOf(Buffer.alloc(32, 9));
const ACCESS_SECRET = Buffer.alloc(32, 5);
const CHANNEL = prepareChannel('channel', ACCESS_SECRET);
const SALT = Buffer.alloc(32, 3);
const HEAD = Buffer.concat([SALT, commitTo(CHANNEL.commitKey, SALT)]);
const FLIGHT_KEY = clientFlightKey(ACCESS_SECRET, HEAD);
const SESSION_SECRET = Buffer.alloc(32, 11);
const RESUME: ClientAttach = { kind: 'resume', sessionSecret: SESSION_SECRET, counter: 4, carrierId: 2 };
const STAMP_MS = Date.UTC(2026, 0, 1);

const constantRandom = (count: number): Buffer => Buffer.alloc(count, 6);

function clientFlight(attach: ClientAttach | ForwardAttach): Buffer {
  return startClient(attach).flight;
}

function startClient(attach: ClientAttach | ForwardAttach) {
  return startClientHandshake({
    relayPublicKey: RELAY_KEY.publicKey,
    accessSecret: ACCESS_SECRET,
    attach,
    stampMs: STAMP_MS,
    synced: true,
    paddingBytes: 20,
    random: constantRandom,
  });
}

function readAttachRequest(input: Buffer): string {
  const request = decodeAttachRequest(input);
  const written = encodeAttachRequest(request);
  holds(encodeAttachRequest(decodeAttachRequest(written)).equals(written), 'a request does not survive being written');
  return `${request.kind} ${Math.min(request.extensions?.length ?? 0, 3)}`;
}

function readAttachReply(input: Buffer): string {
  const reply = decodeAttachReply(input);
  const written = encodeAttachReply(reply);
  holds(encodeAttachReply(decodeAttachReply(written)).equals(written), 'a reply does not survive being written');
  return `${reply.status} ${Math.min(reply.extensions?.length ?? 0, 3)}`;
}

/** What a relay makes of a flight, in a few words. */
function relayReads(flight: Buffer, pieceBytes: number): string {
  const handshake = new RelayHandshake({ relayKey: RELAY_KEY, channels: [prepareChannel('other', SALT), CHANNEL] });
  for (let offset = 0; offset < flight.length; offset += pieceBytes) {
    const read = handshake.receive(Buffer.from(flight.subarray(offset, offset + pieceBytes)));
    if (read === null) continue;
    const { request, verifyResume, namesHome, accept } = read.open();
    const isResumed = verifyResume(SESSION_SECRET);
    holds(request.kind === 'resume' || !isResumed, 'a new session was taken for a resumed one');
    const isNamed = namesHome(RELAY_KEY.publicKey);
    holds(request.kind === 'forward' || !isNamed, 'a request that names no home was taken for one that does');
    const reply = { status: 'accepted', relayTimeMs: read.stampMs, retentionMs: 1 } as const;
    const { sessionSecret } = accept({ reply, paddingBytes: 0, random: constantRandom });
    holds((sessionSecret !== null) === (request.kind === 'new'), 'a session secret where there must be none');
    return `${request.kind} ${isResumed || isNamed} ${read.synced}`;
  }
  return 'incomplete';
}

/** Bytes of somebody who may have recorded a flight, but lacks the secret. */
function readFlight(input: Buffer): string {
  const whole = outcomeOf(() => relayReads(input, input.length), allowedErrors);
  const bytewise = outcomeOf(() => relayReads(input, 1), allowedErrors);
  holds(JSON.stringify(whole) === JSON.stringify(bytewise), 'it matters in which pieces a flight comes');
  return 'refused' in whole ? whole.refused : whole.value;
}

/** The plaintext of a flight by somebody who has the channel's secret: 16 bytes of header, then the body. */
function readInnerFlight(input: Buffer): string {
  const header = Buffer.alloc(16);
  input.copy(header);
  const flight = sealFlight(FLIGHT_KEY, header, { noiseMessage: input.subarray(16), paddingBytes: 0 });
  return relayReads(flight, flight.length);
}

/** The Noise payload of a flight by somebody who also has the relay's public key. */
function readPayload(input: Buffer): string {
  const noiseBytes = 48 + input.length;
  const header = makeHeader(FLIGHT_KEY, { stampMs: STAMP_MS, synced: true, noiseBytes, paddingBytes: 0 });
  const noise = new NoiseInitiator({
    prologue: noisePrologue(HEAD, header),
    relayPublicKey: RELAY_KEY.publicKey,
    ephemeralPrivateKey: constantRandom(32),
  });
  const flight = sealFlight(FLIGHT_KEY, header, { noiseMessage: noise.writeMessage1(input), paddingBytes: 0 });
  return relayReads(flight, flight.length);
}

/** The plaintext of a relay's flight: 16 bytes of header, then the body. */
function readInnerReply(input: Buffer): string {
  const header = Buffer.alloc(16);
  input.copy(header);
  const client = startClient({ kind: 'new' });
  const flightKey = relayFlightKey(ACCESS_SECRET, client.flight.subarray(0, 32), SALT);
  const done = client.receive(sealFlight(flightKey, header, { noiseMessage: input.subarray(16), paddingBytes: 0 }));
  return done === null ? 'incomplete' : done.reply.status;
}

/** Header and Noise message of a good flight. */
function goodInnerFlight(attach: ClientAttach): Buffer {
  const payload = encodeAttachRequest(
    attach.kind === 'new' ? attach : { kind: 'resume', lookupId: SALT.subarray(16), carrierId: 2, mac: SALT },
  );
  const header = makeHeader(FLIGHT_KEY, {
    stampMs: STAMP_MS,
    synced: true,
    noiseBytes: 48 + payload.length,
    paddingBytes: 5,
  });
  const noise = new NoiseInitiator({
    prologue: noisePrologue(HEAD, header),
    relayPublicKey: RELAY_KEY.publicKey,
    ephemeralPrivateKey: constantRandom(32),
  });
  return Buffer.concat([header, noise.writeMessage1(payload), Buffer.alloc(5)]);
}

/** Header and body of a good answer of the relay. */
function goodInnerReply(): Buffer {
  const { flight: clientBytes } = startClient({ kind: 'new' });
  const flight = new RelayHandshake({ relayKey: RELAY_KEY, channels: [CHANNEL] }).receive(clientBytes);
  holds(flight !== null, 'the flight is whole');
  const reply = { status: 'accepted', relayTimeMs: STAMP_MS, retentionMs: 60_000 } as const;
  const done = flight.open().accept({ reply, paddingBytes: 0, random: () => SALT });
  const flightKey = relayFlightKey(ACCESS_SECRET, clientBytes.subarray(0, 32), SALT);
  const { plaintext, header } = openHeader(flightKey, done.flight.subarray(32, 64));
  return Buffer.concat([plaintext, openBody(flightKey, header, done.flight)]);
}

const RESUME_REQUEST = encodeAttachRequest({ kind: 'resume', lookupId: SALT.subarray(16), carrierId: 2, mac: SALT });
const FORWARD: ForwardAttach = {
  kind: 'forward',
  homeKey: RELAY_KEY.publicKey,
  flight: clientFlight(RESUME),
};
const FORWARD_REQUEST = encodeAttachRequest({ kind: 'forward', homeTag: SALT.subarray(16), flight: FORWARD.flight });
const FORWARDED_REQUEST = encodeAttachRequest({ kind: 'forwarded', flight: FORWARD.flight });
const NEW_REQUEST = encodeAttachRequest({ kind: 'new', extensions: [{ type: 7, value: Buffer.from('x') }] });
const REPLIES = (['accepted', 'unknown-session', 'busy'] as const).map((status) =>
  encodeAttachReply({ status, relayTimeMs: STAMP_MS, retentionMs: 60_000, carrierId: 0 }),
);

export const HANDSHAKE_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'attach-request',
    run: readAttachRequest,
    seeds: [RESUME_REQUEST, NEW_REQUEST, FORWARD_REQUEST, FORWARDED_REQUEST],
    maxBytes: 2048,
    allowedErrors,
  },
  { name: 'attach-reply', run: readAttachReply, seeds: REPLIES, maxBytes: 2048, allowedErrors },
  {
    name: 'first-flight',
    run: readFlight,
    seeds: [clientFlight({ kind: 'new' }), clientFlight(RESUME), clientFlight(FORWARD)],
    maxBytes: 2100,
    allowedErrors,
  },
  {
    name: 'first-flight-inner',
    run: readInnerFlight,
    seeds: [goodInnerFlight({ kind: 'new' }), goodInnerFlight(RESUME)],
    maxBytes: 2100,
    dictionary: [Buffer.alloc(32), Buffer.alloc(32, 0xff), Buffer.concat([Buffer.of(1), Buffer.alloc(31)])],
    allowedErrors,
  },
  {
    name: 'first-flight-payload',
    run: readPayload,
    seeds: [RESUME_REQUEST, NEW_REQUEST, FORWARD_REQUEST, FORWARDED_REQUEST],
    maxBytes: 2100,
    allowedErrors,
  },
  {
    name: 'relay-flight-inner',
    run: readInnerReply,
    seeds: [goodInnerReply()],
    maxBytes: 2100,
    dictionary: [Buffer.alloc(32), Buffer.alloc(32, 0xff), Buffer.concat([Buffer.of(1), Buffer.alloc(31)])],
    allowedErrors,
  },
];
