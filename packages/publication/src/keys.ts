// Ed25519 keys as TUF has them (specification §4.2): the key id is SHA-256 of the canonical JSON of the public key.
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { signerOf } from '@rozan/protocol';
import { canonicalize } from '@tufjs/canonical-json';
import { PublicationError } from './errors.ts';

const KEY_BYTES = 32;
/** What stands before a raw Ed25519 seed in PKCS #8 (RFC 8410 §7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A public key. */
export interface PublicKey {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Buffer;
}

/** A key that can sign. It does not show its private part when it is printed. */
export interface SigningKey extends PublicKey {
  /** The Ed25519 signature (64 bytes) over the message. */
  sign(message: Buffer): Buffer;
}

/** A public key as it stands in metadata. */
export interface KeyJson {
  readonly keytype: 'ed25519';
  readonly scheme: 'ed25519';
  readonly keyval: { readonly public: string };
}

/** The canonical JSON of a value, which is what TUF signs. Throws a `PublicationError` (`malformed`) for what it cannot hold. */
export function canonicalBytes(value: unknown): Buffer {
  try {
    return Buffer.from(canonicalize(value));
  } catch (cause) {
    throw new PublicationError('malformed', 'canonical JSON holds whole numbers, text, lists and objects', { cause });
  }
}

/** A public key in metadata. */
export function keyJson({ bytes }: PublicKey): KeyJson {
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: bytes.toString('hex') } };
}

/** The public key of these 32 bytes. Throws a `PublicationError` (`key`) for another length. */
export function publicKeyOf(bytes: Buffer): PublicKey {
  if (bytes.length !== KEY_BYTES) throw new PublicationError('key', `a public key has ${KEY_BYTES} bytes`);
  const id = createHash('sha256')
    .update(canonicalBytes(keyJson({ id: '', bytes })))
    .digest('hex');
  return { id, bytes };
}

/** The key with this seed of 32 bytes (RFC 8032 §5.1.5). Throws a `PublicationError` (`key`) for another length. */
export function signingKeyOf(seed: Buffer): SigningKey {
  if (seed.length !== KEY_BYTES) throw new PublicationError('key', `a private key has ${KEY_BYTES} bytes`);
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' });
  return { ...publicKeyOf(signerOf(seed)), sign: (message) => sign(null, message, privateKey) };
}
