import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../../testing/manual-clock.ts';
import { SeededRandom } from '../../../testing/seeded-random.ts';
import { makeMark, markFits } from '../mark.ts';
import { ChunkedFramer, ChunkedUnframer } from './chunked.ts';
import { hostOf, makeRequest, matchRequest, REQUEST_AGENTS, type RequestLook } from './request.ts';
import { makeResponse, responseHeadBytes } from './response.ts';

const KEY = Buffer.alloc(32, 7);
const LOOK: RequestLook = { agent: 'go', path: '/api/v1/upload', cookie: 'sid' };

/** What an unframer makes of bytes in pieces. */
function unframe(unframer: ChunkedUnframer, pieces: readonly Buffer[]): Buffer {
  const got: Buffer[] = [];
  for (const piece of pieces) unframer.push(piece, (bytes) => got.push(Buffer.from(bytes)));
  return Buffer.concat(got);
}

const bytesOf = (buffer: Buffer): Buffer[] => [...buffer].map((byte) => Buffer.of(byte));

test('chunks: what one side frames the other side reads, whole and byte by byte', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 })), (contents) => {
      const framer = new ChunkedFramer(() => Buffer.alloc(0));
      const wire = [...contents.flatMap((bytes) => framer.frame(Buffer.from(bytes))), ...framer.end()];
      const expected = Buffer.concat(contents);
      for (const pieces of [wire, [Buffer.concat(wire)], bytesOf(Buffer.concat(wire))]) {
        const unframer = new ChunkedUnframer();
        assert.deepEqual(unframe(unframer, pieces), expected);
        assert.equal(unframer.hasEnded, true);
      }
    }),
  );
});

test('chunks: whatever comes is read or is a violation', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (pieces) => {
      try {
        unframe(
          new ChunkedUnframer(),
          pieces.map((piece) => Buffer.from(piece)),
        );
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'violation');
      }
    }),
  );
});

test('chunks: sizes without digits, with too many, or with extensions are refused', () => {
  for (const text of ['\r\n', '00000001\r\nx', '5;a=b\r\n', '1\r\nxy', '1\nx', 'g\r\n', '0\r\nX']) {
    assert.throws(() => unframe(new ChunkedUnframer(), [Buffer.from(text)]), { code: 'violation' }, text);
  }
});

test('a request of each program is known by its own listener, at every length of its beginning', () => {
  const random = new SeededRandom(3);
  for (const agent of REQUEST_AGENTS) {
    const look = { ...LOOK, agent };
    const mark = makeMark(KEY, random);
    const head = makeRequest(look, { host: 'example.com:8080', mark });
    for (let end = 1; end < head.length; end += 1) assert.equal(matchRequest(look, head.subarray(0, end)).kind, 'part');
    const match = matchRequest(look, Buffer.concat([head, Buffer.from('5\r\n')]));
    assert.deepEqual(match, { kind: 'head', bytes: head.length, mark });
    assert.ok(markFits(KEY, mark));
    assert.equal(markFits(Buffer.alloc(32, 8), mark), false);
    for (const other of REQUEST_AGENTS.filter((name) => name !== agent)) {
      assert.equal(matchRequest({ ...LOOK, agent: other }, head).kind, 'other');
    }
  }
});

test('one byte that differs makes it a request of somebody else, or leaves a mark that does not fit', () => {
  const head = makeRequest(LOOK, { host: '192.0.2.1', mark: makeMark(KEY, new SeededRandom(4)) });
  fc.assert(
    fc.property(fc.nat({ max: head.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(head);
      changed[at] = (changed[at] ?? 0) ^ change;
      const match = matchRequest(LOOK, changed);
      const isInHost = at >= head.indexOf('192.0.2.1') && at < head.indexOf('192.0.2.1') + 9;
      if (match.kind === 'head' && !isInHost) assert.equal(markFits(KEY, match.mark), false);
    }),
  );
});

test('any bytes are judged', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      assert.notEqual(matchRequest(LOOK, Buffer.from(bytes)).kind, 'head');
    }),
  );
});

test('Host names the address where no name was chosen', () => {
  assert.equal(hostOf({ host: '192.0.2.1', port: 80 }), '192.0.2.1');
  assert.equal(hostOf({ host: '192.0.2.1', port: 8080 }), '192.0.2.1:8080');
  assert.equal(hostOf({ host: '2001:db8::1', port: 80 }), '[2001:db8::1]');
});

test("the head of an answer is that of the decoy site's server, but for the date", async () => {
  const { createWebServer } = await import('../../../site/web-server.ts');
  const { duplexPair } = await import('node:stream');
  const [near, far] = duplexPair();
  const env = { clock: new ManualClock(), random: new SeededRandom(9) };
  const server = createWebServer(env, (_request, response) => {
    response.setHeader('Content-Type', 'video/mp2t');
    response.write('x');
  });
  server.serve(far);
  const answer = new Promise<Buffer>((resolve) => near.once('data', resolve));
  near.write(makeRequest(LOOK, { host: 'example.com', mark: makeMark(KEY, new SeededRandom(5)) }));
  const dateless = (bytes: Buffer) => bytes.toString('latin1').replace(/Date: [^\r]*/, 'Date');
  const real = dateless(await answer);
  assert.equal(real.slice(0, real.indexOf('\r\n\r\n') + 4), dateless(makeResponse(new ManualClock())));
  near.destroy();
  server.close();
});

test('the head of an answer is read byte by byte; any other answer is an error', () => {
  const head = makeResponse(new ManualClock());
  for (let end = 0; end < head.length; end += 1) assert.equal(responseHeadBytes(head.subarray(0, end)), null);
  assert.equal(responseHeadBytes(Buffer.concat([head, Buffer.from('1\r\n')])), head.length);
  for (const text of ['HTTP/1.1 404 Not Found\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n', 'x'.repeat(5000)]) {
    assert.throws(() => responseHeadBytes(Buffer.from(text)), { code: 'failed' });
  }
});
