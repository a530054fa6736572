// A security key in software, as far as passkeys need one (WebAuthn level 3 §6).
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const HAS_CREDENTIAL = 0x40;

/** CBOR (RFC 8949) of what an authenticator says: small numbers, short texts and bytes, maps. */
function cbor(value: number | string | Buffer | Map<number | string, unknown>): Buffer {
  const head = (major: number, count: number): Buffer => {
    if (count < 24) return Buffer.of((major << 5) | count);
    if (count < 256) return Buffer.of((major << 5) | 24, count);
    return Buffer.of((major << 5) | 25, count >> 8, count & 255);
  };
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  const members = [...value].flatMap(([name, member]) => [cbor(name), cbor(member as Parameters<typeof cbor>[0])]);
  return Buffer.concat([head(5, value.size), ...members]);
}

function hash(bytes: Buffer | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** A key for one site. */
export class TestAuthenticator {
  readonly #key: KeyObject;
  readonly #publicKey: Map<number, unknown>;
  readonly #id: Buffer;
  readonly #site: { readonly origin: string; readonly host: string };
  #counter = 0;

  constructor(id: string, site: { readonly origin: string; readonly host: string }) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.#key = privateKey;
    this.#publicKey = new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(x, 'base64url')],
      [-3, Buffer.from(y, 'base64url')],
    ]);
    this.#id = Buffer.from(id);
    this.#site = site;
  }

  #authenticatorData(flags: number, rest: Buffer = Buffer.alloc(0)): Buffer {
    const counter = Buffer.alloc(4);
    this.#counter += 1;
    counter.writeUInt32BE(this.#counter);
    return Buffer.concat([hash(this.#site.host), Buffer.of(flags | USER_PRESENT | USER_VERIFIED), counter, rest]);
  }

  #clientData(type: string, challenge: string): Buffer {
    return Buffer.from(JSON.stringify({ type, challenge, origin: this.#site.origin, crossOrigin: false }));
  }

  #reply(response: { readonly [name: string]: Buffer }): object {
    const id = this.#id.toString('base64url');
    const encoded = Object.entries(response).map(([name, bytes]) => [name, bytes.toString('base64url')]);
    return { id, rawId: id, type: 'public-key', response: Object.fromEntries(encoded), clientExtensionResults: {} };
  }

  /** What a browser sends for a new passkey. */
  register(challenge: string): object {
    const length = Buffer.of(this.#id.length >> 8, this.#id.length & 255);
    const credential = Buffer.concat([Buffer.alloc(16), length, this.#id, cbor(this.#publicKey)]);
    const attestation = new Map<string, unknown>([
      ['fmt', 'none'],
      ['attStmt', new Map()],
      ['authData', this.#authenticatorData(HAS_CREDENTIAL, credential)],
    ]);
    return this.#reply({
      clientDataJSON: this.#clientData('webauthn.create', challenge),
      attestationObject: cbor(attestation),
    });
  }

  /** What a browser sends to show the passkey. */
  show(challenge: string): object {
    const authenticatorData = this.#authenticatorData(0);
    const clientDataJSON = this.#clientData('webauthn.get', challenge);
    const signature = sign('sha256', Buffer.concat([authenticatorData, hash(clientDataJSON)]), this.#key);
    return this.#reply({ clientDataJSON, authenticatorData, signature });
  }
}
