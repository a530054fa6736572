import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { ProtocolError } from './errors.ts';

describe('base64url', () => {
  it('gives back every value', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
        assert.deepEqual(decodeBase64url(encodeBase64url(Buffer.from(value))), Buffer.from(value));
      }),
    );
  });

  it('has one text for each value: what it accepts, it would write', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_+/= -]{0,12}$/), (text) => {
        try {
          assert.equal(encodeBase64url(decodeBase64url(text)), text);
        } catch (error) {
          assert.ok(error instanceof ProtocolError && error.code === 'malformed', String(error));
        }
      }),
    );
  });

  it('refuses padding, other alphabets, white space and stray bits', () => {
    for (const text of ['AA==', 'A', 'AB', '+w', '/w', 'AA A', 'AA\n', 'AAé', 'QQ\0']) {
      assert.throws(() => decodeBase64url(text), { code: 'malformed' }, text);
    }
  });
});
