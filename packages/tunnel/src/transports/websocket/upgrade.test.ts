import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TunnelError } from '../../errors.ts';
import { CookieReader, type CookieSecret, writeCookie } from './flight-cookie.ts';
import { MAX_ANSWER_BYTES, MAX_COOKIE_BYTES } from './limits.ts';
import { AnswerReader, upgradeAnswer, upgradeRequest } from './upgrade.ts';

const SECRET = { name: 'sid', key: Buffer.alloc(32, 7).toString('base64url') };
/** The key of the example in RFC 6455 §1.3, and what it is answered with. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

const isFailed = (error: unknown) => error instanceof TunnelError && error.code === 'failed';

test('the answer is that of RFC 6455', () => {
  assert.match(String(upgradeAnswer(KEY)), /^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/m);
});

test('an answer is read in pieces of any size, and what comes behind it is kept', () => {
  const bytes = Buffer.concat([upgradeAnswer(KEY), Buffer.from([0x82, 1, 5])]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: bytes.length }), (pieceBytes) => {
      const reader = new AnswerReader(KEY);
      const behind: Buffer[] = [];
      let isOpen = false;
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const piece = bytes.subarray(at, at + pieceBytes);
        const leftover = isOpen ? piece : reader.push(piece);
        if (leftover === null) continue;
        isOpen = true;
        behind.push(leftover);
      }
      assert.deepEqual([...Buffer.concat(behind)], [0x82, 1, 5]);
    }),
  );
});

test('any other answer is a failure, of a typed kind', () => {
  const good = String(upgradeAnswer(KEY));
  for (const answer of [
    good.replace('101 Switching Protocols', '404 Not Found'),
    good.replace('HTTP/1.1', 'SSH-2.0'),
    good.replace('s3p', 'xxx'),
    good.replace('Upgrade: websocket', 'Upgrade: h2c'),
    good.replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n'),
    `HTTP/1.1 101 X\r\n${'a'.repeat(MAX_ANSWER_BYTES)}`,
  ]) {
    assert.throws(() => new AnswerReader(KEY).push(Buffer.from(answer)), isFailed, answer.slice(0, 40));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        new AnswerReader(KEY).push(Buffer.from(bytes));
      } catch (error) {
        assert.ok(isFailed(error));
      }
    }),
  );
});

function readCookie(secret: CookieSecret, header: string | null): Buffer | null {
  const reader = new CookieReader(secret);
  const value = reader.find(header);
  return value === null ? null : reader.open(value);
}

test('a flight comes out of its cookie, and nothing out of any other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: MAX_COOKIE_BYTES }), fc.nat(), (bytes, drawn) => {
      const flight = Buffer.from(bytes);
      const cookie = writeCookie(SECRET, flight);
      assert.match(cookie, /^sid=[A-Za-z0-9_-]+$/);
      assert.deepEqual(readCookie(SECRET, cookie), flight);
      assert.deepEqual(readCookie(SECRET, `theme=dark; ${cookie}; lang=en`), flight);
      const at = 4 + (drawn % (cookie.length - 4));
      const changed = `${cookie.slice(0, at)}${cookie[at] === 'A' ? 'B' : 'A'}${cookie.slice(at + 1)}`;
      assert.equal(readCookie(SECRET, changed), null);
      assert.equal(readCookie({ ...SECRET, key: Buffer.alloc(32).toString('base64url') }, cookie), null);
    }),
  );
  const tooLong = writeCookie(SECRET, Buffer.alloc(MAX_COOKIE_BYTES + 8));
  for (const header of [null, '', 'sid', 'sid=', 'sid=AAAA', 'sid=%00', 'other=1', tooLong]) {
    assert.equal(readCookie(SECRET, header), null);
  }
  fc.assert(fc.property(fc.string(), (text) => readCookie(SECRET, text) === null));
});

test('a request has nothing but what a browser sends', () => {
  const params = {
    tls: 'ca',
    sni: 'a.example',
    path: '/live/x',
    alpn: [],
    cookie: SECRET.name,
    key: SECRET.key,
  } as const;
  const request = String(upgradeRequest(params, { host: 'b.example', key: KEY, flight: Buffer.from('flight') }));
  assert.match(request, /^GET \/live\/x HTTP\/1\.1\r\nHost: b\.example\r\n/);
  assert.match(request, /\r\nOrigin: https:\/\/b\.example\r\n/);
  assert.ok(request.endsWith('\r\n\r\n') && request.split('\r\n\r\n').length === 2);
  assert.doesNotMatch(request, /rozan|node|a\.example/i);
});
