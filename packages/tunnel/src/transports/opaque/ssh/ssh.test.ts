import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../../testing/seeded-random.ts';
import { SshClient, type SshHandshakeDone } from './client.ts';
import { hostKeyOf } from './key-exchange.ts';
import {
  type CipherName,
  type DirectionKeys,
  type MacName,
  PacketError,
  PacketReader,
  PacketWriter,
} from './packets.ts';
import { SshServer } from './server.ts';
import { MESSAGE, MessageReader, message, mpint, string } from './wire.ts';

const random = new SeededRandom(9);
const draw = (count: number): Buffer => random.bytes(count);
const HOST_KEY = hostKeyOf(Buffer.alloc(32, 5));

const CIPHERS: readonly CipherName[] = ['aes128-ctr', 'aes192-ctr', 'aes256-ctr'];
const MACS: readonly MacName[] = ['hmac-sha2-256', 'hmac-sha2-512'];

function keysOf(cipher: CipherName, mac: MacName): DirectionKeys {
  const bits = Number(cipher.slice(3, 6));
  return { cipher, mac, key: Buffer.alloc(bits / 8, 1), iv: Buffer.alloc(16, 2), macKey: Buffer.alloc(64, 3) };
}

test('packets: what one side makes the other reads, in the clear and sealed, whole and byte by byte', () => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 8 });
  fc.assert(
    fc.property(payloads, fc.constantFrom(...CIPHERS), fc.constantFrom(...MACS), (contents, cipher, mac) => {
      for (const keys of [null, keysOf(cipher, mac)]) {
        const writer = new PacketWriter(draw);
        if (keys !== null) writer.seal(keys, false);
        const wire = Buffer.concat(contents.map((bytes) => writer.packet(Buffer.from(bytes))));
        for (const step of [wire.length, 1]) {
          const reader = new PacketReader();
          if (keys !== null) reader.seal(keys, false);
          const got: Buffer[] = [];
          for (let at = 0; at < wire.length; at += step) {
            reader.push(wire.subarray(at, at + step));
            for (let packet = reader.next(); packet !== null; packet = reader.next()) got.push(packet.payload);
          }
          assert.deepEqual(
            got,
            contents.map((bytes) => Buffer.from(bytes)),
          );
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('packets: a changed byte is a fault or leaves the packet incomplete', () => {
  const keys = keysOf('aes256-ctr', 'hmac-sha2-512');
  fc.assert(
    fc.property(fc.nat({ max: 95 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const writer = new PacketWriter(draw);
      writer.seal(keys, false);
      const wire = writer.packet(Buffer.alloc(20));
      wire[at] = (wire[at] ?? 0) ^ change;
      const reader = new PacketReader();
      reader.seal(keys, false);
      reader.push(wire);
      try {
        assert.equal(reader.next(), null);
      } catch (error) {
        assert.ok(error instanceof PacketError);
      }
    }),
  );
});

test('numbers and strings are those of RFC 4251', () => {
  const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');
  // The examples of §5.
  assert.deepEqual(mpint(Buffer.alloc(4)), hex('00 00 00 00'));
  assert.deepEqual(mpint(hex('09a378f9b2e332a7')), hex('00 00 00 08 09 a3 78 f9 b2 e3 32 a7'));
  assert.deepEqual(mpint(hex('80')), hex('00 00 00 02 00 80'));
  assert.deepEqual(string('testing'), hex('00 00 00 07 74 65 73 74 69 6e 67'));
  assert.throws(() => new MessageReader(hex('0200000005 61')).string(), { code: 'violation' });
});

interface Talk {
  readonly server: SshServer;
  /** What the server has written and the test has not passed on. */
  readonly said: Buffer[];
  readonly ends: boolean[];
  readonly ignored: Buffer[];
}

/** A server on its own; `takes`: it hands on what comes in IGNORE messages. */
function startServer(takes: boolean): Talk {
  const talk = { said: [] as Buffer[], ends: [] as boolean[], ignored: [] as Buffer[] };
  const server = new SshServer(HOST_KEY, draw, {
    write: (bytes) => void talk.said.push(bytes),
    close: (hasUnread) => void talk.ends.push(hasUnread),
    onIgnore: (data, sessionId, rest) => {
      talk.ignored.push(data, sessionId, rest);
      return takes;
    },
    later: (_delayMs, act) => act(),
  });
  return { ...talk, server };
}

/** Runs a client against a server in pieces of `step` bytes until it is done. */
function shakeHands({ server, said }: Talk, step: number): SshHandshakeDone {
  const up: Buffer[] = [];
  const client = new SshClient(draw, (bytes) => void up.push(bytes));
  for (let turn = 0; turn < 20; turn += 1) {
    for (const bytes of up.splice(0)) {
      for (let at = 0; at < bytes.length; at += step) server.receive(bytes.subarray(at, at + step));
    }
    const down = Buffer.concat(said.splice(0));
    for (let at = 0; at < down.length; at += step) {
      const done = client.receive(down.subarray(at, at + step));
      if (done !== null) return done;
    }
  }
  return assert.fail('the handshake does not come to an end');
}

for (const step of [1, 7, 10_000]) {
  test(`client and server come to the same keys, in pieces of ${step}`, () => {
    const talk = startServer(true);
    const done = shakeHands(talk, step);
    const behind = Buffer.from('as it is');
    talk.server.receive(Buffer.concat([done.finish(message(MESSAGE.ignore, string('a flight'))), behind]));
    assert.deepEqual(talk.ignored, [Buffer.from('a flight'), done.sessionId, behind]);
    assert.deepEqual(talk.ends, []);
  });
}

test('a server that goes on answers what comes after an IGNORE message', () => {
  const talk = startServer(false);
  const done = shakeHands(talk, 100);
  talk.server.receive(done.finish(message(MESSAGE.ignore, string('nothing'))));
  assert.equal(talk.said.length, 0);
  assert.deepEqual(talk.ends, []);
});

test('whatever comes is answered or ends it, and nothing is thrown', () => {
  const opening = fc.constantFrom('', 'SSH-2.0-x\r\n', 'SSH-1.99-y\n', 'GET / HTTP/1.1\r\n');
  fc.assert(
    fc.property(opening, fc.array(fc.uint8Array({ maxLength: 80 })), (text, pieces) => {
      const { server, ends } = startServer(true);
      server.receive(Buffer.from(text));
      for (const piece of pieces) server.receive(Buffer.from(piece));
      assert.ok(ends.length <= 1);
    }),
  );
});

test('a client refuses what is no server of SSH', () => {
  for (const text of ['HTTP/1.1 400 Bad Request\r\n', 'SSH-1.5-old\r\n', 'x'.repeat(300)]) {
    const client = new SshClient(draw, () => {});
    assert.throws(() => client.receive(Buffer.from(text)), { code: 'failed' });
  }
});
