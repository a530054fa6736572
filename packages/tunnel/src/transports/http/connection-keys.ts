import { createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto';
import { KEY_BYTES, type KeyPair, keyPairOf } from '@rozan/protocol';
import type { Random } from '../../env.ts';

/** What the bodies of one direction are sealed with. */
export interface BodyKeys {
  /** AES-256-CTR over the heads of frames. */
  readonly mask: Buffer;
  /** AES-256-GCM tags over frames. */
  readonly tag: Buffer;
}

/** What only the two ends of a logical connection know. */
export interface ConnectionKeys {
  /** Seals what a request says beside its body. */
  readonly request: Buffer;
  readonly up: BodyKeys;
  readonly down: BodyKeys;
}

/** A new connection's secrets at the client. */
export interface ClientKeys {
  /** The name of the connection: an X25519 key used for it alone, 32 bytes. */
  readonly connectionKey: Buffer;
  readonly keys: ConnectionKeys;
}

/** Draws the client's key of a new connection to the listener with this public key. Throws when that key is none. */
export function createClientKeys(random: Random, listenerKey: Buffer): ClientKeys {
  const { privateKey, publicKey } = keyPairOf(random.bytes(KEY_BYTES));
  return { connectionKey: publicKey, keys: keysOf(privateKey, listenerKey, publicKey, { listenerKey }) };
}

/** What a listener shares with the client of `connectionKey`; null when that is no key of a client of ours. */
export function deriveListenerKeys(listener: KeyPair, connectionKey: Buffer): ConnectionKeys | null {
  try {
    return keysOf(listener.privateKey, connectionKey, connectionKey, { listenerKey: listener.publicKey });
  } catch {
    return null;
  }
}

function keysOf(
  privateKey: KeyObject,
  peerKey: Buffer,
  connectionKey: Buffer,
  { listenerKey }: { readonly listenerKey: Buffer },
): ConnectionKeys {
  const secret = diffieHellman({ privateKey, publicKey: importKey(peerKey) });
  const salt = Buffer.concat([connectionKey, listenerKey]);
  const derive = (label: string) => Buffer.from(hkdfSync('sha256', secret, salt, `rozan/1 http ${label}`, KEY_BYTES));
  return {
    request: derive('request'),
    up: { mask: derive('up mask'), tag: derive('up tag') },
    down: { mask: derive('down mask'), tag: derive('down tag') },
  };
}

/** Throws when the bytes are no X25519 key. */
function importKey(bytes: Buffer): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: bytes.toString('base64url') },
    format: 'jwk',
  });
}
