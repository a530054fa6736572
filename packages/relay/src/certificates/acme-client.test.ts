import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { drawKey, pemOfKey } from '@rozan/tunnel';
import { ManualClock, SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import type { HttpAnswer } from '../http-exchange.ts';
import { AcmeClient, retryAfterOf } from './acme-client.ts';
import { AcmeError } from './acme-error.ts';
import { parseCertificateRecord } from './certificate-file.ts';
import { readAccountKey, signRequest } from './jws.ts';

const clock = new ManualClock(Date.UTC(2026, 10, 27));
const key = readAccountKey(pemOfKey(drawKey(new SeededRandom(1))));
const DIRECTORY = 'https://authority.test/directory';

test('a signed request can be checked by the key that it names, and the thumbprint is that of RFC 7638', () => {
  const signed = JSON.parse(signRequest(key, { url: 'https://a.test/x', nonce: 'n' }, { a: 1 }));
  const head = JSON.parse(Buffer.from(signed.protected, 'base64url').toString());
  assert.deepEqual(head, { alg: 'ES256', jwk: key.jwk, nonce: 'n', url: 'https://a.test/x' });
  const publicKey = { key: createPublicKey({ key: head.jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  const bytes = Buffer.from(`${signed.protected}.${signed.payload}`);
  assert.ok(verify('sha256', bytes, publicKey, Buffer.from(signed.signature, 'base64url')));
  const { crv, kty, x, y } = head.jwk;
  const text = `{"crv":"${crv}","kty":"${kty}","x":"${x}","y":"${y}"}`;
  assert.equal(key.thumbprint, createHash('sha256').update(text).digest('base64url'));
  const read = JSON.parse(signRequest(key, { url: 'https://a.test/x', nonce: 'n', kid: 'https://a.test/1' }));
  assert.equal(read.payload, '');
});

test('Retry-After is a delay or a date, and nothing else', () => {
  assert.equal(retryAfterOf('120', clock), 120_000);
  assert.equal(retryAfterOf(new Date(clock.wallMs() + 60_000).toUTCString(), clock), 60_000);
  assert.equal(retryAfterOf(new Date(clock.wallMs() - 60_000).toUTCString(), clock), 0);
  for (const value of [undefined, 'soon', '-5x', '']) assert.equal(retryAfterOf(value, clock), null);
});

const json = fc.oneof(
  fc.jsonValue(),
  fc.record(
    {
      status: fc.oneof(fc.constantFrom('pending', 'ready', 'valid', 'invalid'), fc.jsonValue()),
      authorizations: fc.oneof(fc.array(fc.constant('https://authority.test/z')), fc.jsonValue()),
      finalize: fc.oneof(fc.constant('https://authority.test/f'), fc.jsonValue()),
      challenges: fc.oneof(
        fc.array(
          fc.record({
            type: fc.constant('tls-alpn-01'),
            token: fc.jsonValue(),
            url: fc.jsonValue(),
            status: fc.jsonValue(),
          }),
        ),
        fc.jsonValue(),
      ),
      type: fc.oneof(
        fc.constantFrom('urn:ietf:params:acme:error:badNonce', 'urn:ietf:params:acme:error:dns'),
        fc.jsonValue(),
      ),
    },
    { requiredKeys: [] },
  ),
);
const answers = fc.record({
  status: fc.constantFrom(200, 201, 204, 400, 403, 404, 429, 500, 503),
  headers: fc.dictionary(fc.constantFrom('location', 'replay-nonce', 'retry-after'), fc.string()),
  body: fc
    .oneof(
      json.map((value) => JSON.stringify(value)),
      fc.string(),
    )
    .map((text) => Buffer.from(text)),
});

test('whatever an authority answers, the outcome is what was asked for or a typed error, after few requests', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(answers, { minLength: 1 }), fc.nat(5), async (given, which) => {
      let asked = 0;
      const request = async (url: string): Promise<HttpAnswer> => {
        if (url === DIRECTORY) {
          const resources = {
            newNonce: 'https://authority.test/n',
            newAccount: 'https://authority.test/a',
            newOrder: 'https://authority.test/o',
          };
          return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(resources)) };
        }
        if (url.endsWith('/n')) return { status: 200, headers: { 'replay-nonce': 'n' }, body: Buffer.alloc(0) };
        const answer = given[asked++ % given.length];
        return answer ?? assert.fail();
      };
      const { signal } = new AbortController();
      const client = new AcmeClient(request, {
        clock,
        directory: DIRECTORY,
        key,
        account: 'https://authority.test/1',
        signal,
      });
      const url = 'https://authority.test/x';
      const calls = [
        () => client.openAccount(undefined),
        () => client.newOrder('a.test'),
        () => client.readOrder(url),
        () => client.readAuthorization(url),
        () => client.finalize(url, Buffer.alloc(3)),
        () => client.download(url),
      ];
      try {
        await calls[which]?.();
      } catch (error) {
        assert.ok(error instanceof AcmeError, String(error));
        assert.ok(error.remedy !== null);
      }
      assert.ok(asked <= 5);
    }),
  );
});

test('a file of certificates that is broken, or of another directory, counts as not there, and its certificate stays', () => {
  const record = {
    directory: DIRECTORY,
    account: { key: 'k', url: null },
    order: { url: 'u', key: 'k' },
    identity: { key: 'k', certificate: 'c' },
  };
  const bytes = Buffer.from(JSON.stringify(record));
  assert.deepEqual(parseCertificateRecord(bytes, DIRECTORY), record);
  assert.deepEqual(parseCertificateRecord(bytes, 'https://other.test/'), {
    ...record,
    directory: 'https://other.test/',
    account: null,
    order: null,
  });
  const nothing = { directory: DIRECTORY, account: null, order: null, identity: null };
  for (let length = 0; length < bytes.length; length++) {
    assert.deepEqual(parseCertificateRecord(bytes.subarray(0, length), DIRECTORY), nothing);
  }
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const read = parseCertificateRecord(Buffer.from(JSON.stringify(value)), DIRECTORY);
      assert.equal(read.directory, DIRECTORY);
    }),
  );
});
