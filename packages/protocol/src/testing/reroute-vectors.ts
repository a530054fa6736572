import { prepareChannel } from '../first-flight.ts';
import { startClientHandshake } from '../handshake.ts';
import { linkSecret } from '../home-tag.ts';
import { keyPairOf } from '../keys.ts';
import { RelayHandshake } from '../relay-handshake.ts';

/** What the vectors of docs/spec/reroute.md start from; all bytes in hexadecimal. */
export interface RerouteInput {
  readonly forwarderPrivateKey: string;
  readonly homePrivateKey: string;
  /** Of the client's entries. */
  readonly forwarderAccessSecret: string;
  readonly homeAccessSecret: string;
  readonly sessionSecret: string;
  readonly counter: number;
  readonly carrierId: number;
  readonly stampMs: number;
  readonly paddingBytes: number;
  /** Salt, then ephemeral key, of the home's, the forward and the forwarded flight. */
  readonly homeRandom: readonly [string, string];
  readonly forwardRandom: readonly [string, string];
  readonly forwardedRandom: readonly [string, string];
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

function drawing(list: readonly string[]): () => Buffer {
  let index = 0;
  return () => bytes(list[index++] ?? '');
}

/** Everything that follows from the input, in hexadecimal. */
export function computeRerouteVectors(input: RerouteInput) {
  const forwarder = keyPairOf(bytes(input.forwarderPrivateKey));
  const home = keyPairOf(bytes(input.homePrivateKey));
  const common = { stampMs: input.stampMs, synced: true, paddingBytes: input.paddingBytes };
  const homeFlight = startClientHandshake({
    ...common,
    relayPublicKey: home.publicKey,
    accessSecret: bytes(input.homeAccessSecret),
    attach: {
      kind: 'resume',
      sessionSecret: bytes(input.sessionSecret),
      counter: input.counter,
      carrierId: input.carrierId,
    },
    paddingBytes: 0,
    random: drawing(input.homeRandom),
  }).flight;
  const forwardFlight = startClientHandshake({
    ...common,
    relayPublicKey: forwarder.publicKey,
    accessSecret: bytes(input.forwarderAccessSecret),
    attach: { kind: 'forward', homeKey: home.publicKey, flight: homeFlight },
    random: drawing(input.forwardRandom),
  }).flight;
  const direction = { forwarder: forwarder.publicKey, home: home.publicKey };
  const secret = linkSecret(forwarder, home.publicKey, direction);
  const forwardedFlight = startClientHandshake({
    ...common,
    relayPublicKey: home.publicKey,
    accessSecret: secret,
    attach: { kind: 'forwarded', flight: homeFlight },
    random: drawing(input.forwardedRandom),
  }).flight;
  const channels = [prepareChannel('', bytes(input.forwarderAccessSecret))];
  const request = new RelayHandshake({ relayKey: forwarder, channels }).receive(forwardFlight)?.open().request;
  return {
    forwarderPublicKey: forwarder.publicKey.toString('hex'),
    homePublicKey: home.publicKey.toString('hex'),
    homeFlight: homeFlight.toString('hex'),
    homeTag: request?.kind === 'forward' ? request.homeTag.toString('hex') : '',
    forwardFlight: forwardFlight.toString('hex'),
    linkSecret: secret.toString('hex'),
    forwardedFlight: forwardedFlight.toString('hex'),
  };
}
