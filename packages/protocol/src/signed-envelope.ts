// Signed documents: what server entries (docs/spec/server-entry.md §1) and tactics (docs/spec/tactics.md §1) have in common.
//
//   version u8 = 1 ‖ keyId 8 ‖ signature 64 ‖ payload
//
//   keyId     = first 8 bytes of SHA-256(signer's Ed25519 public key)
//   signature = Ed25519 over "rozan " ‖ name ‖ 0x00 ‖ version ‖ keyId ‖ payload
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { ByteReader } from './bytes.ts';
import { ProtocolError } from './errors.ts';

const VERSION = 1;
const KEY_BYTES = 32;
const KEY_ID_BYTES = 8;
const SIGNATURE_BYTES = 64;
/** What stands before the payload, in bytes. */
export const ENVELOPE_HEAD_BYTES: number = 1 + KEY_ID_BYTES + SIGNATURE_BYTES;

/** What stands before a raw Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410 §7 and §4). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** A kind of signed document. A signature for one kind is none for another. */
export interface EnvelopeKind {
  /** In the signature and in error texts. */
  readonly name: string;
  readonly maxPayloadBytes: number;
}

/** A document of which nothing has been checked but its size. */
export interface Envelope {
  readonly keyId: Buffer;
  /** Nothing of it may be used before `isSignedBy` has said yes. */
  readonly payload: Buffer;
  /** Whether the signature is that of the Ed25519 public key (32 bytes). */
  isSignedBy(publicKey: Buffer): boolean;
}

function signingKeyOf(privateKey: Buffer): KeyObject {
  if (privateKey.length !== KEY_BYTES) {
    throw new ProtocolError('malformed', `an Ed25519 private key has ${KEY_BYTES} bytes`);
  }
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, privateKey]), format: 'der', type: 'pkcs8' });
}

function publicKeyOf(signingKey: KeyObject): Buffer {
  return createPublicKey(signingKey).export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);
}

/** The Ed25519 public key (32 bytes) of a private one: the 32 bytes of a seed (RFC 8032 §5.1.5). Throws `malformed` for another length. */
export function signerOf(privateKey: Buffer): Buffer {
  return publicKeyOf(signingKeyOf(privateKey));
}

function keyIdOf(publicKey: Buffer): Buffer {
  return createHash('sha256').update(publicKey).digest().subarray(0, KEY_ID_BYTES);
}

function signedBytes({ name }: EnvelopeKind, head: Buffer, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`rozan ${name}\0`, 'latin1'), head, payload]);
}

/** Signs a payload with an Ed25519 seed of 32 bytes; the same ones always give the same bytes. Checks nothing of the payload. */
export function signEnvelope(kind: EnvelopeKind, payload: Buffer, privateKey: Buffer): Buffer {
  const signingKey = signingKeyOf(privateKey);
  const head = Buffer.concat([Buffer.of(VERSION), keyIdOf(publicKeyOf(signingKey))]);
  return Buffer.concat([head, sign(null, signedBytes(kind, head, payload), signingKey), payload]);
}

/** Takes a document apart. Throws a `ProtocolError`: `out-of-bounds` (too long), `truncated`, `unsupported` (another version). */
export function openEnvelope(kind: EnvelopeKind, bytes: Buffer): Envelope {
  if (bytes.length > ENVELOPE_HEAD_BYTES + kind.maxPayloadBytes) {
    throw new ProtocolError('out-of-bounds', `${kind.name}: too long`);
  }
  const reader = new ByteReader(bytes);
  if (reader.uint8() !== VERSION) throw new ProtocolError('unsupported', `${kind.name}: another version`);
  const keyId = reader.bytes(KEY_ID_BYTES);
  const signature = reader.bytes(SIGNATURE_BYTES);
  const payload = reader.rest();
  const head = bytes.subarray(0, 1 + KEY_ID_BYTES);
  const isSignedBy = (publicKey: Buffer) => {
    if (publicKey.length !== KEY_BYTES || !keyIdOf(publicKey).equals(keyId)) return false;
    const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: 'der', type: 'spki' });
    return verify(null, signedBytes(kind, head, payload), key, signature);
  };
  return { keyId, payload, isSignedBy };
}
