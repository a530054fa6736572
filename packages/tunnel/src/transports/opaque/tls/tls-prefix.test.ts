import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../../testing/seeded-random.ts';
import { createSelfSigned } from '../../../tls/self-signed.ts';
import { createSecureServer } from '../../../tls/server.ts';
import { answerHello, measureTickets } from './engine.ts';
import { ALPNS, HELLO_BYTES, makeHello, matchHello } from './hello.ts';
import { CHANGE_CIPHER_SPEC, opaqueRecord, RecordFramer, RecordUnframer } from './records.ts';
import { takeServerFlight } from './server-flight.ts';

const random = new SeededRandom(11);
const draw = (count: number): Buffer => random.bytes(count);
const KEY = Buffer.alloc(32, 3);

function unframe(unframer: RecordUnframer, wire: Buffer, step: number): Buffer {
  const got: Buffer[] = [];
  for (let at = 0; at < wire.length; at += step) {
    unframer.push(wire.subarray(at, at + step), (bytes) => got.push(Buffer.from(bytes)));
  }
  return Buffer.concat(got);
}

test('records: what one side frames the other side reads, whole and byte by byte', () => {
  const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }));
  fc.assert(
    fc.property(contents, fc.boolean(), fc.nat({ max: 3 }), (pieces, changesCipherSpec, records) => {
      const makeFirst = () =>
        Buffer.concat([
          changesCipherSpec ? CHANGE_CIPHER_SPEC : Buffer.alloc(0),
          ...Array.from({ length: records }, () => opaqueRecord(52, draw)),
        ]);
      const framer = new RecordFramer(draw, makeFirst);
      const wire = Buffer.concat([...pieces.flatMap((bytes) => framer.frame(Buffer.from(bytes))), ...framer.end()]);
      for (const step of [wire.length, 1]) {
        const unframer = new RecordUnframer({ changesCipherSpec, records });
        assert.deepEqual(unframe(unframer, wire, step), Buffer.concat(pieces));
        assert.equal(unframer.hasEnded, true);
      }
    }),
  );
});

test('records: long writes are cut, and no record is longer than TLS allows', () => {
  const bytes = draw(100_000);
  const framer = new RecordFramer(draw, () => Buffer.alloc(0));
  const wire = Buffer.concat(framer.frame(bytes));
  for (let at = 0; at < wire.length; at += 5 + wire.readUInt16BE(at + 3)) {
    assert.deepEqual(wire.subarray(at, at + 3), Buffer.of(23, 3, 3));
    assert.ok(wire.readUInt16BE(at + 3) <= 16_384 + 17);
  }
  assert.deepEqual(unframe(new RecordUnframer({ changesCipherSpec: false, records: 0 }), wire, 999), bytes);
});

test('records: whatever comes is read or is a violation', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), fc.boolean(), (pieces, changesCipherSpec) => {
      const unframer = new RecordUnframer({ changesCipherSpec, records: 1 });
      try {
        for (const piece of pieces) unframer.push(Buffer.from(piece), () => {});
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'violation');
      }
    }),
  );
});

test('a hello is as long as those of OpenSSL, known by its listener, and spoilt by any change', () => {
  for (const alpn of ALPNS) {
    const hello = makeHello({ host: 'www.example.com', alpn }, KEY, draw);
    assert.equal(hello.length, HELLO_BYTES);
    for (let end = 1; end < hello.length; end += 1) assert.equal(matchHello(hello.subarray(0, end), KEY).kind, 'part');
    assert.equal(matchHello(hello, KEY).kind, 'hello');
    assert.equal(matchHello(hello, Buffer.alloc(32, 4)).kind, 'other');
    for (const at of [0, 3, 11, 43, 44, 75, 80, 200, hello.length - 1]) {
      const changed = Buffer.from(hello);
      changed[at] = (changed[at] ?? 0) ^ 1;
      if (at !== 43) assert.equal(matchHello(changed, KEY).kind, 'other', `byte ${at}`);
    }
  }
  assert.throws(() => makeHello({ host: `${'a'.repeat(60)}.`.repeat(5), alpn: 'h2' }, KEY, draw), {
    code: 'bad-params',
  });
});

test('any bytes are judged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => matchHello(Buffer.from(bytes), KEY).kind !== 'hello'),
  );
});

test('a real server of TLS 1.3 answers the hello, and its answer is read byte by byte', async () => {
  const identity = createSelfSigned(random, 'www.example.com');
  const server = createSecureServer(identity, ['http/1.1'], (conn) => conn.destroy());
  for (const alpn of ALPNS) {
    const look = { host: 'www.example.com', alpn };
    const flight = await answerHello(server, makeHello(look, KEY, draw));
    assert.ok(flight, 'the server takes the hello');
    for (let end = 0; end < flight.bytes.length; end += 1) {
      assert.equal(takeServerFlight(flight.bytes.subarray(0, end)), null);
    }
    const again = takeServerFlight(Buffer.concat([flight.bytes, Buffer.from('rest')]));
    assert.deepEqual(again?.rest, Buffer.from('rest'));
    const tickets = await measureTickets(server, look);
    assert.equal(tickets.length, 2);
    for (const bytes of tickets) assert.ok(bytes > 100 && bytes < 1000);
  }
  assert.throws(() => takeServerFlight(Buffer.from('HTTP/1.1 400 Bad Request\r\n')), { code: 'failed' });
});
