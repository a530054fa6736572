// Buckets: who has the key can find and read the list (docs/spec/publication.md §4).
//
//   version u8 = 1 ‖ nonce 12 ‖ AES-256-GCM(key, nonce, deflated bytes, "rozan " ‖ kind ‖ 0x00 ‖ name) ‖ tag 16
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { encodeBase64url } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import { MAX_LIST_BYTES, MAX_SEALED_LIST_BYTES } from '../limits.ts';

const VERSION = 1;
const KEY_BYTES = 32;
const NAME_BYTES = 12;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
const HEAD_BYTES = 1 + NONCE_BYTES;

/** What is sealed; one cannot stand in the other's place. */
export type SealedKind = 'entry list' | 'entry delta';

/** A bucket as its key shows it. */
export interface Bucket {
  /** 16 characters; says nothing to who lacks the key. */
  readonly name: string;
  /** Where its list is in the publication. */
  readonly path: string;
  seal(kind: SealedKind, bytes: Buffer, random: Pick<Random, 'bytes'>): Buffer;
  /** Throws a `PublicationError` (`not-authentic`, `malformed`, `too-large`). */
  open(kind: SealedKind, sealed: Buffer): Buffer;
}

/** The bucket of a key of 32 bytes. Throws a `PublicationError` (`key`) for another length. */
export function bucketOf(key: Buffer): Bucket {
  if (key.length !== KEY_BYTES) throw new PublicationError('key', `the key of a bucket has ${KEY_BYTES} bytes`);
  const derive = (label: string) => createHmac('sha256', key).update(`rozan bucket ${label}\0`, 'latin1').digest();
  const sealingKey = derive('key');
  const name = encodeBase64url(derive('name').subarray(0, NAME_BYTES));
  const aad = (kind: SealedKind) => Buffer.from(`rozan ${kind}\0${name}`, 'latin1');
  return {
    name,
    // A path's parts begin with a letter or digit, which a name need not.
    path: `network/b${name}`,
    seal: (kind, bytes, random) => {
      const nonce = random.bytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, sealingKey, nonce).setAAD(aad(kind));
      const body = Buffer.concat([cipher.update(deflateRawSync(bytes, { level: 9 })), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), nonce, body, cipher.getAuthTag()]);
    },
    open: (kind, sealed) => {
      if (sealed.length > MAX_SEALED_LIST_BYTES) throw new PublicationError('too-large', 'the sealed list is too long');
      if (sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== VERSION) {
        throw new PublicationError('malformed', 'no sealed list, or one of a later version');
      }
      const decipher = createDecipheriv(CIPHER, sealingKey, sealed.subarray(1, HEAD_BYTES)).setAAD(aad(kind));
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      return inflate(() => {
        return Buffer.concat([decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES)), decipher.final()]);
      });
    },
  };
}

function inflate(decrypt: () => Buffer): Buffer {
  let deflated: Buffer;
  try {
    deflated = decrypt();
  } catch (cause) {
    throw new PublicationError('not-authentic', "the sealed list was not sealed with the bucket's key", { cause });
  }
  try {
    return inflateRawSync(deflated, { maxOutputLength: MAX_LIST_BYTES });
  } catch (cause) {
    throw new PublicationError('malformed', 'the sealed list cannot be unpacked, or is too long', { cause });
  }
}
