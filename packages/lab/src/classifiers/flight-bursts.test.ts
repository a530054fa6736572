// The first bursts of a bare carrier are its two flights, whatever follows: no lengths that a relay may draw lie in nDPI's models.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPairOf, prepareChannel, RelayHandshake, startClientHandshake } from '@rozan/protocol';
import { SeededRandom } from '@rozan/tunnel/testing';
import { judgeByNdpi, type Packet } from './tls-in-tls.ts';

const random = new SeededRandom(3);
const relayKey = keyPairOf(random.bytes(32));
const channel = prepareChannel('default', random.bytes(32));
/** By the bounds of a shape; small, or large and then anything. */
const PADDINGS = { client: [0, 1200], relay: [0, 400] } as const;
const THIRD_BURSTS = [425, 440, 460, 480, 3200, 3800, 6000, 20_000];

/** The lengths of both flights with these paddings; a resumed session's are those of a new one and some bytes more. */
function flightLengths(clientPadding: number, relayPadding: number, kind: 'new' | 'resume'): [number, number] {
  const options = { relayPublicKey: relayKey.publicKey, accessSecret: channel.accessSecret, stampMs: 1, synced: true };
  const attach =
    kind === 'new' ? ({ kind } as const) : { kind, sessionSecret: random.bytes(32), counter: 1, carrierId: 1 };
  const bytes = (count: number) => random.bytes(count);
  const client = startClientHandshake({ ...options, attach, paddingBytes: clientPadding, random: bytes });
  const flight = new RelayHandshake({ relayKey, channels: [channel] }).receive(client.flight);
  const reply = { status: 'accepted', relayTimeMs: 1, retentionMs: 1 } as const;
  const answer = flight?.open().accept({ reply, paddingBytes: relayPadding, random: bytes });
  return [client.flight.length, answer?.flight.length ?? 0];
}

test('the bursts that begin with the flights lie outside, with margin', () => {
  for (const kind of ['new', 'resume'] as const) {
    const [shortest, longest] = [
      flightLengths(PADDINGS.client[0], PADDINGS.relay[0], kind),
      flightLengths(PADDINGS.client[1], PADDINGS.relay[1], kind),
    ];
    let least = Number.POSITIVE_INFINITY;
    for (let first = shortest[0]; first <= longest[0]; first += 25) {
      for (let second = shortest[1]; second <= longest[1]; second += 25) {
        for (const third of THIRD_BURSTS) {
          for (let fourth = 30; fourth < 12_000; fourth = Math.ceil(fourth * 1.3)) {
            const bursts = [first, second, third, fourth, 50];
            const packets = bursts.map((bytes, at): Packet => ({ from: at % 2 === 0 ? 'client' : 'server', bytes }));
            least = Math.min(least, judgeByNdpi(packets, 'unknown').margin);
          }
        }
      }
    }
    assert.ok(least > 0.2, `${kind}: ${least} (flights of ${shortest} to ${longest} bytes)`);
  }
});

test('control: a longer flight of the relay would lie inside', () => {
  const packets = [650, 1100, 450, 1000, 50].map(
    (bytes, at): Packet => ({ from: at % 2 === 0 ? 'client' : 'server', bytes }),
  );
  assert.equal(judgeByNdpi(packets, 'unknown').isFlagged, true);
});
