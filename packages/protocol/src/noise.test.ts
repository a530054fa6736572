import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPairOf, seal } from './keys.ts';
import { NoiseInitiator, NoiseResponder } from './noise.ts';
import { seededRandom } from './testing/seeded-random.ts';
import vector from './vectors/noise-nk.json' with { type: 'json' };

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const EMPTY = Buffer.alloc(0);

test('the published vector of Noise_NK_25519_AESGCM_SHA256 holds, both ways and for transport messages', () => {
  const [first, second, ...transport] = vector.messages;
  assert.ok(first !== undefined && second !== undefined);
  const prologue = hex(vector.prologue);
  const relayKey = keyPairOf(hex(vector.responderStatic));
  assert.equal(relayKey.publicKey.toString('hex'), vector.responderPublic);
  const initiator = new NoiseInitiator({
    prologue,
    relayPublicKey: relayKey.publicKey,
    ephemeralPrivateKey: hex(vector.initiatorEphemeral),
  });
  const message1 = initiator.writeMessage1(hex(first.payload));
  assert.equal(message1.toString('hex'), first.ciphertext);

  const responder = new NoiseResponder({ prologue, relayKey, message: message1 });
  assert.equal(responder.payload.toString('hex'), first.payload);
  assert.deepEqual(responder.payloadHash, initiator.payloadHash);
  const answer = responder.writeMessage2(hex(second.payload), hex(vector.responderEphemeral));
  assert.equal(answer.message.toString('hex'), second.ciphertext);

  const { payload, result } = initiator.readMessage2(answer.message);
  assert.equal(payload.toString('hex'), second.payload);
  assert.deepEqual(result, answer.result);
  for (const [index, message] of transport.entries()) {
    const key = index % 2 === 0 ? result.initiatorKey : result.responderKey;
    const sealed = seal(hex(message.payload), { key, counter: Math.floor(index / 2), aad: EMPTY });
    assert.equal(sealed.toString('hex'), message.ciphertext);
  }
});

test('a low-order or short ephemeral key, a changed byte, another prologue and another relay are refused', () => {
  const random = seededRandom(1);
  const relayKey = keyPairOf(random(32));
  const prologue = Buffer.from('prologue');
  const start = () =>
    new NoiseInitiator({ prologue, relayPublicKey: relayKey.publicKey, ephemeralPrivateKey: random(32) });
  const message = start().writeMessage1(Buffer.from('hello'));
  const respond = (changed: Buffer, options = {}) =>
    new NoiseResponder({ prologue, relayKey, message: changed, ...options });

  assert.equal(respond(message).payload.toString(), 'hello');
  for (let i = 0; i < message.length; i += 1) {
    const changed = Buffer.from(message);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.throws(() => respond(changed), { code: 'not-authentic' }, `byte ${i}`);
  }
  const lowOrder = Buffer.concat([Buffer.alloc(32), message.subarray(32)]);
  assert.throws(() => respond(lowOrder), { code: 'not-authentic' });
  assert.throws(() => respond(message.subarray(0, 47)), { code: 'truncated' });
  assert.throws(() => respond(message, { prologue: Buffer.from('Prologue') }), { code: 'not-authentic' });
  assert.throws(() => respond(message, { relayKey: keyPairOf(random(32)) }), { code: 'not-authentic' });

  const zero = new NoiseInitiator({ prologue, relayPublicKey: relayKey.publicKey, ephemeralPrivateKey: random(32) });
  assert.throws(() => zero.readMessage2(Buffer.alloc(64)), { code: 'not-authentic' });
  assert.throws(
    () => new NoiseInitiator({ prologue, relayPublicKey: Buffer.alloc(32), ephemeralPrivateKey: random(32) }),
    { code: 'not-authentic' },
  );
});
