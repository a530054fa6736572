// Requests that an account has signed (RFC 7515, 7517, 7638; RFC 8555 §6.2): ES256 alone.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

/** An account's key, from PEM. */
export interface AccountKey {
  readonly key: KeyObject;
  readonly jwk: Readonly<Record<'crv' | 'kty' | 'x' | 'y', string>>;
  /** By this authorities and challenges name it. */
  readonly thumbprint: string;
}

/** Reads a P-256 key. Throws an error of Node for what is none. */
export function readAccountKey(pem: string): AccountKey {
  const key = createPrivateKey(pem);
  const { crv = '', kty = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' });
  // In this order, which is that of the thumbprint.
  const jwk = { crv: String(crv), kty: String(kty), x: String(x), y: String(y) };
  return { key, jwk, thumbprint: createHash('sha256').update(JSON.stringify(jwk)).digest('base64url') };
}

/** What the header of a signed request says. */
export interface SignedHeader {
  readonly url: string;
  readonly nonce: string;
  /** The account's URL; without, its key is sent, as for a new account. */
  readonly kid?: string | undefined;
}

/** A signed request as JSON. Without a payload it only reads (RFC 8555 §6.3). */
export function signRequest({ key, jwk }: AccountKey, { url, nonce, kid }: SignedHeader, payload?: object): string {
  const header = { alg: 'ES256', ...(kid === undefined ? { jwk } : { kid }), nonce, url };
  const encoded = {
    protected: Buffer.from(JSON.stringify(header)).toString('base64url'),
    payload: payload === undefined ? '' : Buffer.from(JSON.stringify(payload)).toString('base64url'),
  };
  const signature = sign('sha256', Buffer.from(`${encoded.protected}.${encoded.payload}`), {
    key,
    dsaEncoding: 'ieee-p1363',
  });
  return JSON.stringify({ ...encoded, signature: signature.toString('base64url') });
}
