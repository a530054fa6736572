import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failureBytes, failureResponse } from './http-failure.ts';
import { endToEndFields } from './http-headers.ts';

test('HTTP fields: what belongs to one connection stays behind', () => {
  const fields = endToEndFields([
    ...['Host', 'example.org'],
    ...['Connection', 'close, X-One'],
    ...['connection', 'content-length, x-TWO, HOST'],
    ...['X-One', '1'],
    ...['X-Two', '2'],
    ...['Keep-Alive', 'timeout=5'],
    ...['Proxy-Connection', 'keep-alive'],
    ...['Proxy-Authorization', 'Basic eDp5'],
    ...['TE', 'trailers'],
    ...['Transfer-Encoding', 'chunked'],
    ...['Upgrade', 'h2c'],
    ...['Content-Length', '3'],
    ...['Set-Cookie', 'a=1'],
    ...['Trailer', 'X-Sum'],
    ...['Set-Cookie', 'b=2'],
  ]);
  assert.deepEqual(fields, [
    ...['Host', 'example.org'],
    ...['Content-Length', '3'],
    ...['Set-Cookie', 'a=1'],
    ...['Trailer', 'X-Sum'],
    ...['Set-Cookie', 'b=2'],
  ]);
});

test('HTTP failures: one line for programs, a page for browsers, the reason as a field', () => {
  const line = failureResponse('name-not-found', '*/*');
  assert.equal(line.status, 502);
  assert.match(line.body.toString(), /^[^\n<]+\n$/);
  const page = failureResponse('name-not-found', 'text/html,application/xhtml+xml;q=0.9');
  assert.match(page.body.toString(), /^<!doctype html>/);
  assert.ok(page.body.length < 2048);
  assert.match(
    failureBytes('timed-out', undefined).toString(),
    /^HTTP\/1\.1 504 [\s\S]*\r\nRozan-Reason: timed-out\r\n/,
  );
});
