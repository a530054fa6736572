// Key derivation, X25519 and sealing of small messages, on node:crypto (docs/spec/wire.md §2.2).
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  type Decipheriv,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { ProtocolError } from './errors.ts';

/** Bytes of every key and of every secret in this protocol. */
export const KEY_BYTES = 32;
/** Bytes of an AES-256-GCM tag. */
export const TAG_BYTES = 16;
const NONCE_BYTES = 12;

/** What stands before a raw X25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410 §7 and §4). */
const PRIVATE_KEY_PREFIX: Buffer = Buffer.from('302e020100300506032b656e04220420', 'hex');
const PUBLIC_KEY_PREFIX: Buffer = Buffer.from('302a300506032b656e032100', 'hex');

const EMPTY: Buffer = Buffer.alloc(0);

/** What tells one derived key from another; each goes into HKDF behind `rozan/1 `. */
export type KeyLabel =
  | 'channel commit'
  | 'client flight'
  | 'relay flight'
  | 'flight shape'
  | 'session'
  | 'attach'
  | 'lookup'
  | 'home tag'
  | 'sibling link'
  | 'record aead'
  | 'record length'
  | 'next record aead'
  | 'next record length';

/** 32 bytes of HKDF-SHA-256 (RFC 5869) with `rozan/1 ` and the label as info. */
export function deriveKey(secret: Buffer, label: KeyLabel, salt: Buffer = EMPTY): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, `rozan/1 ${label}`, KEY_BYTES));
}

/** Throws `out-of-bounds` when `bytes` is not 32 bytes long; `name` says in the message what it should have been. */
export function expectKey(bytes: Buffer, name: string): Buffer {
  if (bytes.length !== KEY_BYTES) throw new ProtocolError('out-of-bounds', `${name} is not ${KEY_BYTES} bytes long`);
  return bytes;
}

/** An X25519 key pair, with the private key in the form that node:crypto computes with. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** The X25519 key pair of 32 private bytes; any 32 bytes are a private key (RFC 7748 §5). */
export function keyPairOf(privateBytes: Buffer): KeyPair {
  const der = Buffer.concat([PRIVATE_KEY_PREFIX, expectKey(privateBytes, 'private key')]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: Buffer.from(spki.subarray(PUBLIC_KEY_PREFIX.length)) };
}

/** A public X25519 key in the form that node:crypto computes with. */
export function importPublicKey(publicBytes: Buffer): KeyObject {
  const der = Buffer.concat([PUBLIC_KEY_PREFIX, expectKey(publicBytes, 'public key')]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

/**
 * The X25519 shared secret. Throws `not-authentic` when it is all zero, that is when the peer's key is of low order
 * (RFC 7748 §6.1).
 */
export function sharedSecret(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const secret = tryDiffieHellman(privateKey, publicKey);
  if (secret === null || secret.every((byte) => byte === 0)) {
    throw new ProtocolError('not-authentic', 'the shared secret is zero');
  }
  return secret;
}

/** Null where OpenSSL refuses by itself, as it does for a zero result; what it says adds nothing. */
function tryDiffieHellman(privateKey: KeyObject, publicKey: KeyObject): Buffer | null {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch {
    return null;
  }
}

/** Writes the 96-bit big-endian form of `counter` (0 … 2^32 − 1), the nonce of every AEAD of this protocol. */
export function writeNonce(nonce: Buffer, counter: number): Buffer {
  nonce.writeUInt32BE(counter, NONCE_BYTES - 4);
  return nonce;
}

/** Zeros for `writeNonce`. */
export function createNonce(): Buffer {
  return Buffer.alloc(NONCE_BYTES);
}

/** What sealing and opening of one small message need. A key and counter must never seal two messages. */
export interface SealOptions {
  readonly key: Buffer;
  readonly counter: number;
  readonly aad: Buffer;
}

/** Ciphertext and tag of one small message (AES-256-GCM). */
export function seal(plaintext: Buffer, { key, counter, aad }: SealOptions): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, writeNonce(createNonce(), counter), { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([ciphertext, cipher.getAuthTag()]);
}

/** The plaintext of what `seal` made. Throws `not-authentic`. */
export function open(sealed: Buffer, { key, counter, aad }: SealOptions): Buffer {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) throw new ProtocolError('truncated', 'shorter than a tag');
  const decipher = createDecipheriv('aes-256-gcm', key, writeNonce(createNonce(), counter), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  if (!tagFits(decipher)) throw new ProtocolError('not-authentic', 'the tag does not fit');
  return plaintext;
}

/** Ends an AES-256-GCM decipher that has its tag. Only when this returns true may its plaintext be used. */
export function tagFits(decipher: Decipheriv): boolean {
  try {
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
