import type { AttachStatus } from '../attach.ts';
import { prepareChannel } from '../first-flight.ts';
import { type CarrierKeys, type ClientAttach, startClientHandshake } from '../handshake.ts';
import { deriveKey, keyPairOf } from '../keys.ts';
import { lookupId, lookupKeyOf } from '../lookup.ts';
import { RecordSealer } from '../record.ts';
import { RelayHandshake } from '../relay-handshake.ts';

/** What one handshake of the vectors starts from; bytes are hexadecimal. */
export interface HandshakeInput {
  readonly clientSalt: string;
  readonly clientEphemeral: string;
  readonly stampMs: number;
  readonly synced: boolean;
  readonly clientPaddingBytes: number;
  /** For a resume only. */
  readonly counter?: number;
  readonly carrierId?: number;
  readonly relaySalt: string;
  readonly relayEphemeral: string;
  readonly relayPaddingBytes: number;
  readonly status: AttachStatus;
  readonly relayTimeMs: number;
  readonly retentionMs: number;
}

/** What all vectors start from. */
export interface ChannelInput {
  readonly relayPrivateKey: string;
  readonly accessSecret: string;
  readonly newSession: HandshakeInput;
  readonly resume: HandshakeInput;
  readonly lookupCounters: readonly number[];
  readonly recordsPerKey: number;
  readonly recordPlaintexts: readonly string[];
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const hex = (value: Buffer): string => value.toString('hex');

/** Hands out the given values one by one. */
function scripted(...values: readonly string[]): (count: number) => Buffer {
  const queue = values.map(bytes);
  return (count) => {
    const value = queue.shift();
    if (value?.length !== count) throw new Error('the vectors draw other random bytes');
    return value;
  };
}

function handshake(input: ChannelInput, one: HandshakeInput, attach: ClientAttach) {
  const relayKey = keyPairOf(bytes(input.relayPrivateKey));
  const accessSecret = bytes(input.accessSecret);
  const client = startClientHandshake({
    relayPublicKey: relayKey.publicKey,
    accessSecret,
    attach,
    stampMs: one.stampMs,
    synced: one.synced,
    paddingBytes: one.clientPaddingBytes,
    random: scripted(one.clientSalt, one.clientEphemeral),
  });
  const flight = new RelayHandshake({ relayKey, channels: [prepareChannel('channel', accessSecret)] }).receive(
    client.flight,
  );
  if (flight === null) throw new Error('the flight is not whole');
  const attempt = flight.open();
  const done = attempt.accept({
    reply: { status: one.status, relayTimeMs: one.relayTimeMs, retentionMs: one.retentionMs },
    paddingBytes: one.relayPaddingBytes,
    random: scripted(one.relaySalt, one.relayEphemeral),
  });
  const { request } = attempt;
  const resume =
    request.kind === 'resume' ? { lookupId: hex(request.lookupId), mac: hex(request.mac) } : { kind: request.kind };
  return {
    client,
    attempt,
    done,
    output: { request: resume, clientFlight: hex(client.flight), relayFlight: hex(done.flight) },
  };
}

function hexKeys({ send, receive }: CarrierKeys) {
  const direction = (keys: CarrierKeys['send']) => ({ aeadKey: hex(keys.aeadKey), lengthKey: hex(keys.lengthKey) });
  return { clientToRelay: direction(send), relayToClient: direction(receive) };
}

/** Everything that docs/spec/wire.md says follows from `input`, for comparison with the published vectors. */
export function computeChannelVectors(input: ChannelInput) {
  const first = handshake(input, input.newSession, { kind: 'new' });
  const { sessionSecret } = first.done;
  const firstDone = first.client.receive(first.done.flight);
  if (sessionSecret === null || firstDone === null) throw new Error('no session was made');
  const { counter = 1, carrierId = 1 } = input.resume;
  const second = handshake(input, input.resume, { kind: 'resume', sessionSecret, counter, carrierId });
  const secondDone = second.client.receive(second.done.flight);
  if (secondDone === null) throw new Error('the session was not resumed');
  const lookupKey = lookupKeyOf(sessionSecret);
  const sealer = new RecordSealer(firstDone.keys.send, { recordsPerKey: input.recordsPerKey });
  return {
    relayPublicKey: hex(keyPairOf(bytes(input.relayPrivateKey)).publicKey),
    commitKey: hex(prepareChannel('', bytes(input.accessSecret)).commitKey),
    newSession: { ...first.output, sessionSecret: hex(sessionSecret), keys: hexKeys(firstDone.keys) },
    resume: { ...second.output, keys: hexKeys(secondDone.keys) },
    attachKey: hex(deriveKey(sessionSecret, 'attach')),
    lookupKey: hex(lookupKey),
    lookupIds: input.lookupCounters.map((number) => hex(lookupId(lookupKey, number))),
    records: input.recordPlaintexts.map((plaintext) => hex(Buffer.concat(sealer.seal([bytes(plaintext)])))),
  };
}
