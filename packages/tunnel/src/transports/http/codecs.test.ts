import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPairOf, ProtocolError } from '@rozan/protocol';
import { array, boolean, assert as check, constantFrom, integer, property, record, uint8Array } from 'fast-check';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { createClientKeys, deriveListenerKeys } from './connection-keys.ts';
import { type Frame, FrameOpener, FrameSealer } from './frame.ts';
import { openInner, openOuter, sealToken, TOKEN_BYTES } from './request-token.ts';
import { type ResponseHead, ResponseReader } from './response-reader.ts';

const random = new SeededRandom(5);
const listener = keyPairOf(random.bytes(32));
const client = createClientKeys(random, listener.publicKey);
const entryKey = random.bytes(32);
const offsets = integer({ min: 0, max: 2 ** 40 });

const PLAIN = { noNullPrototype: true } as const;

const headers = record(
  {
    number: integer({ min: 1, max: 0xffff_ffff }),
    opening: boolean(),
    streamed: boolean(),
    reset: boolean(),
    holdMs: integer({ min: 0, max: 0xffff }),
    answerBytes: integer({ min: 0, max: 0xffff_ffff }),
    ack: offsets,
    limit: offsets,
    failed: integer({ min: 0, max: 0xffff_ffff }),
  },
  PLAIN,
);

test('both ends have the same keys, and nobody else', () => {
  const keys = deriveListenerKeys(listener, client.connectionKey);
  assert.deepEqual(keys, client.keys);
  assert.notDeepEqual(deriveListenerKeys(keyPairOf(random.bytes(32)), client.connectionKey), client.keys);
  assert.equal(deriveListenerKeys(listener, Buffer.alloc(32)), null);
});

test('a token says what was put in, no two are alike, and a changed one is none', () => {
  const sealing = { entryKey, requestKey: client.keys.request, connectionKey: client.connectionKey, random };
  check(
    property(headers, integer({ min: 0, max: TOKEN_BYTES * 8 - 1 }), (header, bit) => {
      const token = sealToken(header, sealing);
      assert.equal(token.length, TOKEN_BYTES);
      assert.notDeepEqual(sealToken(header, sealing), token);
      const outer = openOuter(token, entryKey);
      assert.ok(outer);
      assert.deepEqual(outer.connectionKey, client.connectionKey);
      assert.deepEqual(openInner(outer, client.keys.request), header);
      assert.equal(openInner(outer, entryKey), null);
      token[bit >> 3] = (token[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(openOuter(token, entryKey), null);
    }),
  );
  assert.equal(openOuter(Buffer.alloc(3), entryKey), null);
});

const frames = array(
  record({
    head: record({ offset: offsets, ack: offsets, limit: offsets, end: boolean(), reset: boolean() }, PLAIN),
    data: uint8Array({ maxLength: 3000 }),
    padding: uint8Array({ maxLength: 50 }),
  }),
  { minLength: 1, maxLength: 4 },
);

test('frames come out as they went in, fed in pieces of any size', () => {
  check(
    property(frames, integer({ min: 1, max: 4000 }), (items, pieceBytes) => {
      const sealer = new FrameSealer({ keys: client.keys.up, number: 9 });
      const bytes = Buffer.concat(
        items.flatMap(({ head, data, padding }, index) =>
          sealer.seal({ ...head, last: index === items.length - 1 }, [Buffer.from(data)], Buffer.from(padding)),
        ),
      );
      const opener = new FrameOpener({ keys: client.keys.up, number: 9 });
      const got: Frame[] = [];
      for (let start = 0; start < bytes.length; start += pieceBytes) {
        assert.equal(opener.complete, false);
        got.push(...opener.push(bytes.subarray(start, start + pieceBytes)));
      }
      assert.ok(opener.complete);
      assert.deepEqual(
        got.map(({ offset, ack, limit, end, reset, pieces }) => ({
          head: { offset, ack, limit, end, reset },
          data: new Uint8Array(Buffer.concat(pieces)),
        })),
        items.map(({ head, data }) => ({ head, data: new Uint8Array(data) })),
      );
      assert.throws(() => opener.push(Buffer.from('x')), ProtocolError);
    }),
  );
});

test('one changed bit of a frame, another number or another direction is noticed', () => {
  const head = { offset: 3, ack: 4, limit: 5, end: false, reset: false, last: true };
  const data = random.bytes(100);
  const sealed = () => Buffer.concat(new FrameSealer({ keys: client.keys.down, number: 2 }).seal(head, [data], data));
  const isRefused = (bytes: Buffer, name: ConstructorParameters<typeof FrameOpener>[0]) => {
    try {
      return new FrameOpener(name).push(bytes).length === 0;
    } catch (error) {
      return error instanceof ProtocolError;
    }
  };
  for (let bit = 0; bit < sealed().length * 8; bit += 1) {
    const bytes = sealed();
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(isRefused(bytes, { keys: client.keys.down, number: 2 }));
  }
  assert.ok(isRefused(sealed(), { keys: client.keys.down, number: 3 }));
  assert.ok(isRefused(sealed(), { keys: client.keys.up, number: 2 }));
  assert.equal(isRefused(sealed(), { keys: client.keys.down, number: 2 }), false);
});

interface Seen {
  head: ResponseHead | null;
  body: string;
  end: boolean | null;
}

function readResponse(text: string, pieceBytes: number, isClosed: boolean): Seen {
  const seen: Seen = { head: null, body: '', end: null };
  const reader = new ResponseReader({
    onHead: (head) => {
      seen.head = head;
    },
    onBody: (bytes) => {
      seen.body += bytes.toString('latin1');
    },
    onEnd: (reusable) => {
      seen.end = reusable;
    },
  });
  const bytes = Buffer.from(text, 'latin1');
  for (let start = 0; start < bytes.length; start += pieceBytes) reader.push(bytes.subarray(start, start + pieceBytes));
  if (isClosed) reader.finish();
  return seen;
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

test('responses are read in pieces of any size', () => {
  const cases: readonly (readonly [text: string, body: string, end: boolean | null, isClosed?: boolean])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', true],
    ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello', 'hello', true],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi', 'hi', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi', 'hi', false],
    ['HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi', 'hi', true],
    ['HTTP/1.0 200 OK\r\n\r\nto the end', 'to the end', false, true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort', 'short', null, true],
    ['HTTP/1.1 204 No Content\r\n\r\n', '', true],
    ['HTTP/1.1 404 Not Found\nContent-Length: 0\n\n', '', true],
    [`${CHUNKED}5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nTrailer: t\r\n\r\n`, 'hello!', true],
    [`${CHUNKED}5\r\nhello\r\n`, 'hello', null, true],
  ];
  for (const [text, body, end, isClosed = false] of cases) {
    for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes += 1) {
      const seen = readResponse(text, pieceBytes, isClosed);
      assert.equal(seen.body, body);
      assert.equal(seen.end, end);
    }
  }
  assert.equal(
    readResponse('HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 0\r\n\r\n', 3, false).head?.status,
    404,
  );
});

test('what is no response is refused, and no head grows without bound', () => {
  const broken = [
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    `${CHUNKED}zz\r\n`,
    `${CHUNKED}1\r\nab\r\n`,
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}`,
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n',
  ];
  for (const text of broken) assert.throws(() => readResponse(text, 1000, false), ProtocolError, text.slice(0, 60));
  const pieces = constantFrom('HTTP/1.1 200 OK\r\n', 'Content-Length: 3\r\n', '\r\n', 'abc', '0', ':', '\n');
  check(
    property(array(pieces, { maxLength: 12 }), integer({ min: 1, max: 9 }), (parts, pieceBytes) => {
      try {
        readResponse(parts.join(''), pieceBytes, true);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
  );
});
