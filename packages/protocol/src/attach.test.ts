import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AttachReply,
  type AttachRequest,
  attachMac,
  attachMacFits,
  decodeAttachReply,
  decodeAttachRequest,
  encodeAttachReply,
  encodeAttachRequest,
} from './attach.ts';
import { ProtocolError } from './errors.ts';

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value) => Buffer.from(value));
const extensions = fc.array(
  fc.record(
    { type: fc.maxSafeNat(), value: fc.uint8Array({ maxLength: 100 }).map((value) => Buffer.from(value)) },
    { noNullPrototype: true },
  ),
  { maxLength: 4 },
);
const u32 = fc.integer({ min: 1, max: 0xffff_ffff });
const flight = fc.uint8Array({ minLength: 1, maxLength: 2048 }).map((value) => Buffer.from(value));
const requests: fc.Arbitrary<AttachRequest> = fc.oneof(
  fc.record({ kind: fc.constant('new' as const), extensions }, { noNullPrototype: true }),
  fc.record(
    { kind: fc.constant('resume' as const), lookupId: bytes(16), carrierId: u32, mac: bytes(32), extensions },
    { noNullPrototype: true },
  ),
  fc.record(
    { kind: fc.constant('forward' as const), homeTag: bytes(16), flight, extensions },
    { noNullPrototype: true },
  ),
  fc.record({ kind: fc.constant('forwarded' as const), flight, extensions }, { noNullPrototype: true }),
);
const replies: fc.Arbitrary<AttachReply> = fc.record(
  {
    status: fc.constantFrom('accepted', 'unknown-session', 'busy'),
    relayTimeMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    retentionMs: u32,
    carrierId: fc.nat(),
    extensions,
  },
  { noNullPrototype: true },
);

test('requests and replies come back as they went', () => {
  fc.assert(
    fc.property(requests, (request) => assert.deepEqual(decodeAttachRequest(encodeAttachRequest(request)), request)),
  );
  fc.assert(fc.property(replies, (reply) => assert.deepEqual(decodeAttachReply(encodeAttachReply(reply)), reply)));
});

test('any bytes decode or throw a ProtocolError', () => {
  for (const decode of [decodeAttachRequest, decodeAttachReply]) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
        try {
          decode(Buffer.from(value));
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
        }
      }),
    );
  }
});

test('a message cut within its fixed part is refused', () => {
  const mac = Buffer.alloc(32, 1);
  const whole = encodeAttachRequest({ kind: 'resume', lookupId: Buffer.alloc(16, 2), carrierId: 3, mac });
  for (let end = 0; end < whole.length; end += 1) {
    assert.throws(() => decodeAttachRequest(whole.subarray(0, end)), { code: 'truncated' });
  }
  const flight = Buffer.alloc(300, 7);
  for (const request of [
    { kind: 'forward', homeTag: mac.subarray(16), flight } as const,
    { kind: 'forwarded', flight } as const,
  ]) {
    const bytes = encodeAttachRequest(request);
    for (let end = 0; end < bytes.length; end += 1) {
      assert.throws(() => decodeAttachRequest(bytes.subarray(0, end)), { code: 'truncated' });
    }
  }
  assert.throws(() => decodeAttachRequest(Buffer.of(3, 0, 0)), { code: 'out-of-bounds' }, 'an empty flight');
  assert.throws(() => decodeAttachRequest(Buffer.concat([Buffer.of(3, 8, 1), Buffer.alloc(2049)])), {
    code: 'out-of-bounds',
  });
  assert.throws(() => encodeAttachRequest({ kind: 'forwarded', flight: Buffer.alloc(2049) }), {
    code: 'out-of-bounds',
  });
  assert.throws(() => encodeAttachRequest({ kind: 'forward', homeTag: mac, flight }), { code: 'out-of-bounds' });
  assert.throws(() => decodeAttachRequest(Buffer.of(4)), { code: 'unsupported' });
  assert.throws(() => encodeAttachRequest({ kind: 'resume', lookupId: mac, carrierId: 1, mac }), {
    code: 'out-of-bounds',
  });
  const zeroCarrier = Buffer.from(whole);
  zeroCarrier.fill(0, 17, 21);
  assert.throws(() => decodeAttachRequest(zeroCarrier), { code: 'malformed' });
  assert.throws(() => decodeAttachReply(Buffer.alloc(15, 3)), { code: 'unsupported' });
});

test('the mac covers the handshake, the lookup id, the carrier and the secret', () => {
  const input = {
    sessionSecret: Buffer.alloc(32, 1),
    handshakeHash: Buffer.alloc(32, 2),
    lookupId: Buffer.alloc(16, 3),
    carrierId: 4,
  };
  const mac = attachMac(input);
  assert.equal(attachMacFits(mac, input), true);
  assert.equal(attachMacFits(mac.subarray(1), input), false);
  for (const change of [
    { sessionSecret: Buffer.alloc(32, 9) },
    { handshakeHash: Buffer.alloc(32, 9) },
    { lookupId: Buffer.alloc(16, 9) },
    { carrierId: 5 },
  ]) {
    assert.equal(attachMacFits(mac, { ...input, ...change }), false);
  }
  assert.throws(() => attachMac({ ...input, carrierId: 2 ** 32 }), { code: 'out-of-bounds' });
});
