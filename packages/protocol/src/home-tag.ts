// How a client names the home of its session to a relay that is to forward, and what two relays share (docs/spec/reroute.md §2, §3).
import { createHmac, timingSafeEqual } from 'node:crypto';
import { deriveKey, expectKey, importPublicKey, type KeyPair, sharedSecret } from './keys.ts';

/** Bytes of a home tag. */
export const HOME_TAG_BYTES = 16;
const TAG_LABEL = Buffer.from('home', 'latin1');

/**
 * The tag that names the relay with this static public key in one handshake with another relay. Only who has an entry of the home can make
 * it or recognise it, and no two handshakes have the same one. `handshakeHash`: `payloadHash` of that handshake.
 */
export function homeTag(homeKey: Buffer, handshakeHash: Buffer): Buffer {
  const mac = createHmac('sha256', deriveKey(expectKey(homeKey, 'home key'), 'home tag'));
  return mac.update(TAG_LABEL).update(handshakeHash).digest().subarray(0, HOME_TAG_BYTES);
}

/** Whether `tag` names the relay with this key in this handshake, in constant time. */
export function homeTagFits(tag: Buffer, homeKey: Buffer, handshakeHash: Buffer): boolean {
  return tag.length === HOME_TAG_BYTES && timingSafeEqual(tag, homeTag(homeKey, handshakeHash));
}

/** Which of two relays forwards, and which is the home; public keys. */
export interface LinkDirection {
  readonly forwarder: Buffer;
  readonly home: Buffer;
}

/**
 * The secret under which one relay forwards to another: both can compute it, each from its own private key and the other's public key, and
 * nobody else. It stands in place of an access secret. Throws a `ProtocolError` when the other's key is of low order.
 */
export function linkSecret(own: KeyPair, otherKey: Buffer, { forwarder, home }: LinkDirection): Buffer {
  const shared = sharedSecret(own.privateKey, importPublicKey(otherKey));
  return deriveKey(shared, 'sibling link', Buffer.concat([forwarder, home]));
}
