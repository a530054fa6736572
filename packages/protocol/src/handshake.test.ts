import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_FLIGHT_BYTES, prepareChannel } from './first-flight.ts';
import { type ClientAttach, startClientHandshake } from './handshake.ts';
import { keyPairOf } from './keys.ts';
import { drawPaddingBytes } from './padding.ts';
import { RecordOpener, RecordSealer } from './record.ts';
import { type AttachAttempt, type ClientFlight, RelayHandshake } from './relay-handshake.ts';
import { testUniformity } from './testing/chi-square.ts';
import { seededRandom } from './testing/seeded-random.ts';

const random = seededRandom(7);
const relayKey = keyPairOf(random(32));
const channels = ['one', 'two', 'three'].map((id) => prepareChannel(id, random(32)));
const accessSecret = channels[1]?.accessSecret ?? Buffer.alloc(0);
const STAMP_MS = 1_369_612_800_123;

function startClient(attach: ClientAttach, paddingBytes = 100) {
  const relayPublicKey = relayKey.publicKey;
  return startClientHandshake({
    relayPublicKey,
    accessSecret,
    attach,
    stampMs: STAMP_MS,
    synced: true,
    paddingBytes,
    random,
  });
}

function readFlight(flight: Buffer): ClientFlight | null {
  return new RelayHandshake({ relayKey, channels }).receive(flight);
}

function openFlight(flight: Buffer): AttachAttempt {
  const read = readFlight(flight);
  assert.ok(read !== null);
  return read.open();
}

function accept(attempt: AttachAttempt, paddingBytes = 50) {
  const reply = { status: 'accepted', relayTimeMs: STAMP_MS + 5, retentionMs: 60_000 } as const;
  return attempt.accept({ reply, paddingBytes, random });
}

function flipped(bytes: Buffer, index: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[index] = (copy[index] ?? 0) ^ 0x10;
  return copy;
}

test('a client makes a session and both sides share its secret and the carrier keys', () => {
  const client = startClient({ kind: 'new' });
  const flight = readFlight(Buffer.concat([client.flight, Buffer.from('more')]));
  assert.ok(flight !== null);
  assert.equal(flight.channelId, 'two');
  assert.equal(flight.stampMs, STAMP_MS);
  assert.equal(flight.synced, true);
  assert.deepEqual(flight.replayId, client.flight.subarray(32, 48));
  assert.equal(flight.leftover.toString(), 'more');
  const attempt = flight.open();
  assert.deepEqual(attempt.request, { kind: 'new', extensions: [] });
  assert.equal(attempt.verifyResume(random(32)), false);
  const relay = accept(attempt);
  const [record] = [Buffer.concat(new RecordSealer(relay.keys.send).seal([Buffer.from('first record')]))];
  const done = client.receive(Buffer.concat([relay.flight, record]));
  assert.ok(done !== null);
  assert.equal(done.reply.status, 'accepted');
  assert.equal(done.reply.relayTimeMs, STAMP_MS + 5);
  assert.equal(done.sessionSecret?.length, 32);
  assert.deepEqual(done.sessionSecret, relay.sessionSecret);
  assert.deepEqual(done.keys.send, relay.keys.receive);
  assert.notDeepEqual(done.keys.send, done.keys.receive);
  const opener = new RecordOpener(done.keys.receive);
  opener.push(done.leftover);
  assert.equal(opener.next()?.toString(), 'first record');
});

test('a resume is verified by the session secret alone, and gives fresh keys but no new secret', () => {
  const sessionSecret = random(32);
  const client = startClient({ kind: 'resume', sessionSecret, counter: 5, carrierId: 9 });
  const attempt = openFlight(client.flight);
  assert.equal(attempt.request.kind === 'resume' && attempt.request.carrierId, 9);
  assert.equal(attempt.verifyResume(sessionSecret), true);
  assert.equal(attempt.verifyResume(random(32)), false);
  const relay = accept(attempt);
  assert.equal(relay.sessionSecret, null);
  const done = client.receive(relay.flight);
  assert.equal(done?.sessionSecret, null);
  assert.equal(done?.reply.carrierId, 9);
});

test('a refusal is authenticated and makes no session', () => {
  const client = startClient({ kind: 'new' });
  const reply = { status: 'busy', relayTimeMs: 1, retentionMs: 0 } as const;
  const relay = openFlight(client.flight).accept({ reply, paddingBytes: 0, random });
  assert.equal(relay.sessionSecret, null);
  const done = client.receive(relay.flight);
  assert.equal(done?.reply.status, 'busy');
  assert.equal(done?.sessionSecret, null);
});

test('flights may come byte by byte', () => {
  const client = startClient({ kind: 'resume', sessionSecret: random(32), counter: 1, carrierId: 1 });
  const handshake = new RelayHandshake({ relayKey, channels });
  const results = [...client.flight].map((byte) => handshake.receive(Buffer.of(byte)));
  const flight = results.pop() ?? null;
  assert.ok(results.every((result) => result === null) && flight !== null);
  const relay = accept(flight.open());
  const answers = [...relay.flight].map((byte) => client.receive(Buffer.of(byte)));
  const done = answers.pop() ?? null;
  assert.ok(answers.every((answer) => answer === null) && done !== null);
  assert.deepEqual(done.keys.receive, relay.keys.send);
});

test('a client flight with any byte changed is refused, and so is everything after it', () => {
  const { flight } = startClient({ kind: 'resume', sessionSecret: random(32), counter: 1, carrierId: 1 }, 20);
  for (let index = 0; index < flight.length; index += 1) {
    const handshake = new RelayHandshake({ relayKey, channels });
    assert.throws(() => handshake.receive(flipped(flight, index)), { code: 'not-authentic' }, `byte ${index}`);
    assert.throws(() => handshake.receive(flight), { code: 'not-authentic' });
  }
});

test('a relay flight with any byte changed is refused', () => {
  const client = startClient({ kind: 'new' });
  const { flight } = accept(openFlight(client.flight), 20);
  for (let index = 0; index < flight.length; index += 1) {
    const other = startClient({ kind: 'new' });
    const answer = accept(openFlight(other.flight), 20).flight;
    assert.throws(() => other.receive(flipped(answer, index)), { code: 'not-authentic' }, `byte ${index}`);
  }
  const stranger = startClient({ kind: 'new' });
  assert.throws(() => stranger.receive(flight), { code: 'not-authentic' }, 'an answer to another flight');
});

test('garbage is refused once 64 bytes are there and never before', () => {
  const handshake = new RelayHandshake({ relayKey, channels });
  assert.equal(handshake.receive(random(63)), null);
  assert.throws(() => handshake.receive(random(1)), { code: 'not-authentic' });
  assert.throws(() => readFlight(random(100_000)), { code: 'not-authentic' });
});

test('a flight for another relay passes the outer layer and is refused when it is opened', () => {
  const other = keyPairOf(random(32));
  const client = startClient({ kind: 'new' });
  const flight = new RelayHandshake({ relayKey: other, channels }).receive(client.flight);
  assert.ok(flight !== null);
  assert.throws(() => flight.open(), { code: 'not-authentic' });
});

test('a flight is at most 2048 bytes long', () => {
  const room = MAX_FLIGHT_BYTES - startClient({ kind: 'new' }, 0).flight.length;
  assert.equal(startClient({ kind: 'new' }, room).flight.length, MAX_FLIGHT_BYTES);
  assert.ok(readFlight(startClient({ kind: 'new' }, room).flight) !== null);
  assert.throws(() => startClient({ kind: 'new' }, room + 1), { code: 'out-of-bounds' });
  assert.throws(() => accept(openFlight(startClient({ kind: 'new' }).flight), 2048), { code: 'out-of-bounds' });
});

test('20,000 first flights and 2,000 replies are uniform at every byte position and pooled', () => {
  const flights: Buffer[] = [];
  const replies: Buffer[] = [];
  const sessionSecret = random(32);
  for (let i = 0; i < 20_000; i += 1) {
    const attach: ClientAttach =
      i % 2 === 0 ? { kind: 'new' } : { kind: 'resume', sessionSecret, counter: i, carrierId: i };
    const fraction = random(4).readUInt32BE() / 2 ** 32;
    const paddingBytes = drawPaddingBytes({ fraction, minBytes: 0, maxBytes: 1200 });
    const { flight } = startClient(attach, paddingBytes);
    flights.push(flight);
    if (i % 10 === 0) replies.push(accept(openFlight(flight), paddingBytes).flight);
  }
  for (const samples of [flights, replies]) {
    const { worstPositionTail, pooledTail } = testUniformity(samples);
    assert.ok(worstPositionTail > 1e-6, `worst position ${worstPositionTail}`);
    assert.ok(pooledTail > 1e-6, `pooled ${pooledTail}`);
  }
  for (const flight of flights) flight[70] = 1;
  assert.ok(testUniformity(flights).worstPositionTail < 1e-6, 'a planted constant byte is seen');
});
