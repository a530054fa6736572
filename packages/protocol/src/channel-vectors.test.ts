import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeAttachReply } from './attach.ts';
import { type ChannelInput, computeChannelVectors, type HandshakeInput } from './testing/channel-vectors.ts';
import { naiveRelay } from './testing/naive-relay.ts';
import vectors from './vectors/channel.json' with { type: 'json' };

const input = vectors.input as ChannelInput;
const { output } = vectors;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex');

test('the published vectors of the secure channel hold', () => {
  assert.deepEqual(computeChannelVectors(input), output);
});

function runNaiveRelay(one: HandshakeInput, clientFlight: string, carrierId: number) {
  return naiveRelay({
    relayPrivateKey: bytes(input.relayPrivateKey),
    accessSecret: bytes(input.accessSecret),
    clientFlight: bytes(clientFlight),
    relaySalt: bytes(one.relaySalt),
    relayEphemeral: bytes(one.relayEphemeral),
    replyPayload: encodeAttachReply({ ...one, carrierId }),
    paddingBytes: one.relayPaddingBytes,
  });
}

test('a second, naive implementation comes to the same bytes', async () => {
  const first = await runNaiveRelay(input.newSession, output.newSession.clientFlight, 0);
  assert.equal(hex(first.requestPayload), '00');
  assert.equal(hex(first.relayFlight), output.newSession.relayFlight);
  assert.equal(hex(first.sessionSecret), output.newSession.sessionSecret);
  assert.equal(hex(first.clientAeadKey), output.newSession.keys.clientToRelay.aeadKey);
  assert.equal(hex(first.relayLengthKey), output.newSession.keys.relayToClient.lengthKey);

  const second = await runNaiveRelay(input.resume, output.resume.clientFlight, input.resume.carrierId ?? 0);
  assert.equal(hex(second.relayFlight), output.resume.relayFlight);
  const { lookupId, mac } = output.resume.request as { lookupId: string; mac: string };
  assert.equal(hex(second.requestPayload), `01${lookupId}00000001${mac}`);
  assert.equal(Buffer.from(second.header).readUIntBE(2, 6), input.resume.stampMs);
});
