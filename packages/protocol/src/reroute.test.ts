import assert from 'node:assert/strict';
import { createHmac, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { MAX_FLIGHT_BYTES, prepareChannel } from './first-flight.ts';
import { type ClientAttach, type ForwardAttach, startClientHandshake } from './handshake.ts';
import { homeTag, homeTagFits, linkSecret } from './home-tag.ts';
import { keyPairOf } from './keys.ts';
import { type ClientFlight, RelayHandshake } from './relay-handshake.ts';
import { computeRerouteVectors, type RerouteInput } from './testing/reroute-vectors.ts';
import vectors from './vectors/reroute.json' with { type: 'json' };

const input = vectors.input as unknown as RerouteInput;
const { output } = vectors;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const FORWARDER = keyPairOf(Buffer.alloc(32, 1));
const HOME = keyPairOf(Buffer.alloc(32, 2));
const OTHER = keyPairOf(Buffer.alloc(32, 3));
const SECRET = Buffer.alloc(32, 4);
const STAMP_MS = 1_369_612_800_000;

test('the published vectors of reroute hold', () => {
  assert.deepEqual(computeRerouteVectors(input), output);
});

test('the tag of the vectors is what the specification says, computed by itself', () => {
  const handshakeHash = Buffer.alloc(32, 9);
  const key = Buffer.from(hkdfSync('sha256', HOME.publicKey, '', 'rozan/1 home tag', 32));
  const expected = createHmac('sha256', key).update('home').update(handshakeHash).digest().subarray(0, 16);
  assert.deepEqual(homeTag(HOME.publicKey, handshakeHash), expected);
});

function flightTo(attach: ClientAttach | ForwardAttach, seed = 7, paddingBytes = 0): Buffer {
  let drawn = seed;
  return startClientHandshake({
    relayPublicKey: FORWARDER.publicKey,
    accessSecret: SECRET,
    attach,
    stampMs: STAMP_MS,
    synced: true,
    paddingBytes,
    random: (count) => Buffer.alloc(count, drawn++),
  }).flight;
}

function read(flight: Buffer, pieceBytes = flight.length): ClientFlight {
  const handshake = new RelayHandshake({ relayKey: FORWARDER, channels: [prepareChannel('all', SECRET)] });
  for (let at = 0; at < flight.length; at += pieceBytes) {
    const whole = handshake.receive(Buffer.from(flight.subarray(at, at + pieceBytes)));
    if (whole !== null) return whole;
  }
  throw new Error('the flight is not whole');
}

test('a forward flight names its home to who knows that, and the flight inside comes out as it went in, byte by byte too', () => {
  const inner = fc.uint8Array({ minLength: 1, maxLength: 1800 }).map((value) => Buffer.from(value));
  fc.assert(
    fc.property(inner, fc.constantFrom(1, 7, 4096), (flight, pieceBytes) => {
      const attempt = read(flightTo({ kind: 'forward', homeKey: HOME.publicKey, flight }), pieceBytes).open();
      assert.ok(attempt.request.kind === 'forward' && attempt.request.flight.equals(flight));
      assert.ok(attempt.namesHome(HOME.publicKey));
      assert.ok(!attempt.namesHome(OTHER.publicKey));
      assert.ok(!attempt.verifyResume(SECRET));
    }),
    { numRuns: 30 },
  );
});

test('no two handshakes name a home by the same tag, and a tag holds for one handshake only', () => {
  const tags = new Set<string>();
  for (let seed = 1; seed <= 50; seed += 1) {
    const { request } = read(flightTo({ kind: 'forward', homeKey: HOME.publicKey, flight: SECRET }, seed)).open();
    assert.ok(request.kind === 'forward');
    tags.add(request.homeTag.toString('hex'));
    assert.ok(!homeTagFits(request.homeTag, HOME.publicKey, Buffer.alloc(32, seed)));
  }
  assert.equal(tags.size, 50);
});

test('other requests name no home', () => {
  for (const attach of [{ kind: 'new' }, { kind: 'forwarded', flight: SECRET }] as const) {
    assert.ok(!read(flightTo(attach)).open().namesHome(HOME.publicKey));
  }
});

test('a flight that cannot hold the flight inside is not made', () => {
  const flight = Buffer.alloc(MAX_FLIGHT_BYTES);
  assert.throws(() => flightTo({ kind: 'forward', homeKey: HOME.publicKey, flight }), ProtocolError);
});

test('both relays come to the same link secret, another one for each direction, and nobody else does', () => {
  const direction = { forwarder: FORWARDER.publicKey, home: HOME.publicKey };
  const secret = linkSecret(FORWARDER, HOME.publicKey, direction);
  assert.deepEqual(linkSecret(HOME, FORWARDER.publicKey, direction), secret);
  const back = linkSecret(HOME, FORWARDER.publicKey, { forwarder: HOME.publicKey, home: FORWARDER.publicKey });
  assert.notDeepEqual(back, secret);
  assert.notDeepEqual(linkSecret(OTHER, HOME.publicKey, direction), secret);
  assert.throws(() => linkSecret(FORWARDER, Buffer.alloc(32), direction), { code: 'not-authentic' });
});

test('the forwarded flight of the vectors opens at the home under the link secret, and holds the flight of the client', () => {
  const home = keyPairOf(bytes(input.homePrivateKey));
  const channels = [prepareChannel('sibling', bytes(output.linkSecret))];
  const flight = new RelayHandshake({ relayKey: home, channels }).receive(bytes(output.forwardedFlight));
  const request = flight?.open().request;
  assert.ok(request?.kind === 'forwarded');
  assert.equal(request.flight.toString('hex'), output.homeFlight);
  const own = [prepareChannel('default', bytes(input.homeAccessSecret))];
  const inner = new RelayHandshake({ relayKey: home, channels: own }).receive(request.flight)?.open();
  assert.ok(inner?.verifyResume(bytes(input.sessionSecret)));
});
