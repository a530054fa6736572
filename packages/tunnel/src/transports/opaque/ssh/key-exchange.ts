// The key exchange of SSH (RFC 4253 §7 and §8) with Curve25519 (RFC 8731) and an Ed25519 host key (RFC 8709).
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import type { DrawBytes } from './draw-bytes.ts';
import { CIPHER_KEY_BYTES, type CipherName, type DirectionKeys, IV_BYTES, MAC_BYTES, type MacName } from './packets.ts';
import { MESSAGE, MessageReader, message, mpint, string, uint32 } from './wire.ts';

const ED25519_PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const X25519_PUBLIC = Buffer.from('302a300506032b656e032100', 'hex');
const KEY_BYTES = 32;
const COOKIE_BYTES = 16;

/** The name-lists of a KEXINIT message, in its order. */
export interface KexLists {
  readonly kex: readonly string[];
  readonly hostKey: readonly string[];
  readonly cipher: readonly string[];
  readonly mac: readonly string[];
  readonly compression: readonly string[];
}

/** What OpenSSH 9.2 of Debian offers as a client. */
export const CLIENT_LISTS: KexLists = {
  kex: [
    'sntrup761x25519-sha512',
    'sntrup761x25519-sha512@openssh.com',
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
    'ext-info-c',
    'kex-strict-c-v00@openssh.com',
  ],
  hostKey: [
    'ssh-ed25519-cert-v01@openssh.com',
    'ecdsa-sha2-nistp256-cert-v01@openssh.com',
    'ecdsa-sha2-nistp384-cert-v01@openssh.com',
    'ecdsa-sha2-nistp521-cert-v01@openssh.com',
    'sk-ssh-ed25519-cert-v01@openssh.com',
    'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com',
    'rsa-sha2-512-cert-v01@openssh.com',
    'rsa-sha2-256-cert-v01@openssh.com',
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'sk-ssh-ed25519@openssh.com',
    'sk-ecdsa-sha2-nistp256@openssh.com',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: [
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
  ],
  mac: [
    'umac-64-etm@openssh.com',
    'umac-128-etm@openssh.com',
    'hmac-sha2-256-etm@openssh.com',
    'hmac-sha2-512-etm@openssh.com',
    'hmac-sha1-etm@openssh.com',
    'umac-64@openssh.com',
    'umac-128@openssh.com',
    'hmac-sha2-256',
    'hmac-sha2-512',
    'hmac-sha1',
  ],
  compression: ['none', 'zlib@openssh.com', 'zlib'],
};

/**
 * What the same OpenSSH offers as a server that was set to Curve25519, AES in counter mode and encrypt-and-MAC, as people do who read of the attack
 * "Terrapin": all of it node:crypto has, and no length is readable after the handshake.
 */
export const SERVER_LISTS: KexLists = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'kex-strict-s-v00@openssh.com'],
  hostKey: ['ssh-ed25519'],
  cipher: ['aes256-ctr', 'aes192-ctr', 'aes128-ctr'],
  mac: ['hmac-sha2-512', 'hmac-sha2-256'],
  compression: ['none', 'zlib@openssh.com'],
};

/** Makes a KEXINIT message. */
export function makeKexInit(lists: KexLists, drawBytes: DrawBytes): Buffer {
  const both = (names: readonly string[]) => [string(names.join(',')), string(names.join(','))];
  return message(
    MESSAGE.kexInit,
    drawBytes(COOKIE_BYTES),
    string(lists.kex.join(',')),
    string(lists.hostKey.join(',')),
    ...both(lists.cipher),
    ...both(lists.mac),
    ...both(lists.compression),
    ...[string(''), string('')],
    Buffer.of(0),
    uint32(0),
  );
}

/** What two KEXINIT messages come to. */
export interface Agreement {
  readonly clientCipher: CipherName;
  readonly serverCipher: CipherName;
  readonly clientMac: MacName;
  readonly serverMac: MacName;
  /** Both know "strict KEX": sequence numbers begin again with new keys. */
  readonly isStrict: boolean;
  /** The client takes EXT_INFO (RFC 8308). */
  readonly wantsExtInfo: boolean;
  /** A packet follows that was sent on a wrong guess and is to be ignored. */
  readonly skipsGuess: boolean;
}

const isCipher = (name: string): name is CipherName => name in CIPHER_KEY_BYTES;
const isMac = (name: string): name is MacName => name in MAC_BYTES;

/** The client's first that the server has too. */
function agree<Name extends string>(
  client: readonly string[],
  server: readonly string[],
  isKnown: (name: string) => name is Name,
): Name | null {
  return client.filter((name) => server.includes(name)).find(isKnown) ?? null;
}

/** What a server with `SERVER_LISTS` agrees on with this client; null if nothing. Throws a `TunnelError` (`violation`). */
export function agreeWithClient(clientInit: Buffer): Agreement | null {
  const reader = new MessageReader(clientInit, 1 + COOKIE_BYTES);
  const kex = reader.names();
  const hostKeys = reader.names();
  const clientCipher = agree(reader.names(), SERVER_LISTS.cipher, isCipher);
  const serverCipher = agree(reader.names(), SERVER_LISTS.cipher, isCipher);
  const clientMac = agree(reader.names(), SERVER_LISTS.mac, isMac);
  const serverMac = agree(reader.names(), SERVER_LISTS.mac, isMac);
  const compressions = [reader.names(), reader.names()];
  for (const _language of [0, 1]) reader.string();
  const guesses = reader.bytes(1)[0] !== 0;
  const method = kex.find((name) => SERVER_LISTS.kex.includes(name) && !name.startsWith('kex-strict'));
  const hasHostKey = SERVER_LISTS.hostKey.some((name) => hostKeys.includes(name));
  const isPlain = compressions.every(
    (names) => names.find((name) => SERVER_LISTS.compression.includes(name)) === 'none',
  );
  if (method === undefined || !hasHostKey || !isPlain) return null;
  if (clientCipher === null || serverCipher === null || clientMac === null || serverMac === null) return null;
  const isRight = kex[0] === SERVER_LISTS.kex[0] && hostKeys[0] === SERVER_LISTS.hostKey[0];
  return {
    clientCipher,
    serverCipher,
    clientMac,
    serverMac,
    isStrict: kex.includes('kex-strict-c-v00@openssh.com'),
    wantsExtInfo: kex.includes('ext-info-c'),
    skipsGuess: guesses && !isRight,
  };
}

/** A key pair for one exchange. */
export interface Ephemeral {
  readonly publicBytes: Buffer;
  readonly privateKey: KeyObject;
}

export function makeEphemeral(): Ephemeral {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { publicBytes: Buffer.from(der.subarray(-KEY_BYTES)), privateKey };
}

/** The shared secret, 32 bytes; null for a public key that is none. */
export function sharedSecret({ privateKey }: Ephemeral, peer: Buffer): Buffer | null {
  if (peer.length !== KEY_BYTES) return null;
  try {
    const publicKey = createPublicKey({ key: Buffer.concat([X25519_PUBLIC, peer]), format: 'der', type: 'spki' });
    const secret = diffieHellman({ privateKey, publicKey });
    return secret.every((byte) => byte === 0) ? null : secret;
  } catch {
    return null;
  }
}

/** A server's key, from its seed of 32 bytes. */
export interface HostKey {
  /** As it stands in messages. */
  readonly blob: Buffer;
  sign(bytes: Buffer): Buffer;
}

export function hostKeyOf(seed: Buffer): HostKey {
  const key = createPrivateKey({ key: Buffer.concat([ED25519_PRIVATE, seed]), format: 'der', type: 'pkcs8' });
  const publicBytes = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
  return {
    blob: Buffer.concat([string('ssh-ed25519'), string(publicBytes)]),
    sign: (bytes) => Buffer.concat([string('ssh-ed25519'), string(sign(null, bytes, key))]),
  };
}

/** What both sides have said, for the hash that they sign and derive keys from. */
export interface Transcript {
  readonly clientVersion: string;
  readonly serverVersion: string;
  readonly clientInit: Buffer;
  readonly serverInit: Buffer;
  readonly hostKey: Buffer;
  readonly clientPublic: Buffer;
  readonly serverPublic: Buffer;
  readonly secret: Buffer;
}

export function exchangeHash(said: Transcript): Buffer {
  const strings = [
    said.clientVersion,
    said.serverVersion,
    said.clientInit,
    said.serverInit,
    said.hostKey,
    said.clientPublic,
    said.serverPublic,
  ];
  return createHash('sha256')
    .update(Buffer.concat([...strings.map(string), mpint(said.secret)]))
    .digest();
}

/** The keys of both directions after the first exchange, whose hash is the session's id. */
export function deriveKeys(
  secret: Buffer,
  hash: Buffer,
  agreed: Agreement,
): { readonly client: DirectionKeys; readonly server: DirectionKeys } {
  const shared = mpint(secret);
  const derive = (letter: string, bytes: number): Buffer => {
    let key = createHash('sha256').update(shared).update(hash).update(letter).update(hash).digest();
    while (key.length < bytes) {
      key = Buffer.concat([key, createHash('sha256').update(shared).update(hash).update(key).digest()]);
    }
    return key.subarray(0, bytes);
  };
  const keysOf = (cipher: CipherName, mac: MacName, letters: readonly [string, string, string]): DirectionKeys => ({
    cipher,
    mac,
    iv: derive(letters[0], IV_BYTES),
    key: derive(letters[1], CIPHER_KEY_BYTES[cipher]),
    macKey: derive(letters[2], MAC_BYTES[mac]),
  });
  return {
    client: keysOf(agreed.clientCipher, agreed.clientMac, ['A', 'C', 'E']),
    server: keysOf(agreed.serverCipher, agreed.serverMac, ['B', 'D', 'F']),
  };
}
