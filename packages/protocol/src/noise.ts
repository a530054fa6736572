// Noise_NK_25519_AESGCM_SHA256, Noise Protocol Framework revision 34, as pure machines (docs/spec/wire.md §3.2):
//
//   <- s                     the relay's static key is known before
//   -> e, es                 message 1: e (32) ‖ sealed payload (n + 16)
//   <- e, ee                 message 2: e (32) ‖ sealed payload (n + 16)
import { createHash, createHmac, type KeyObject } from 'node:crypto';
import { ProtocolError } from './errors.ts';
import {
  expectKey,
  importPublicKey,
  KEY_BYTES,
  type KeyPair,
  keyPairOf,
  open,
  seal,
  sharedSecret,
  TAG_BYTES,
} from './keys.ts';

const PROTOCOL_NAME = 'Noise_NK_25519_AESGCM_SHA256';

/** Bytes that a Noise message of this pattern has more than its payload. */
export const NOISE_OVERHEAD_BYTES: number = KEY_BYTES + TAG_BYTES;

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function hmac(key: Buffer, ...parts: readonly Buffer[]): Buffer {
  const mac = createHmac('sha256', key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** HKDF with two outputs, as Noise §4.3 defines it. */
function hkdf2(chainingKey: Buffer, input: Buffer): [Buffer, Buffer] {
  const temporary = hmac(chainingKey, input);
  const first = hmac(temporary, Buffer.of(1));
  return [first, hmac(temporary, first, Buffer.of(2))];
}

/** Noise §5.2. In this pattern each key seals exactly one payload, so the nonce is always 0. */
class SymmetricState {
  chainingKey: Buffer;
  hash: Buffer;
  #key: Buffer | null = null;

  constructor(prologue: Buffer, relayPublicKey: Buffer) {
    const name = Buffer.alloc(32);
    name.write(PROTOCOL_NAME, 'latin1');
    this.chainingKey = name;
    this.hash = name;
    this.mixHash(prologue);
    this.mixHash(relayPublicKey);
  }

  mixHash(data: Buffer): void {
    this.hash = sha256(this.hash, data);
  }

  mixKey(input: Buffer): void {
    [this.chainingKey, this.#key] = hkdf2(this.chainingKey, input);
  }

  #takeKey(): Buffer {
    const key = this.#key;
    if (key === null) throw new Error('a Noise key is used once');
    this.#key = null;
    return key;
  }

  encryptAndHash(plaintext: Buffer): Buffer {
    const sealed = seal(plaintext, { key: this.#takeKey(), counter: 0, aad: this.hash });
    this.mixHash(sealed);
    return sealed;
  }

  decryptAndHash(sealed: Buffer): Buffer {
    const plaintext = open(sealed, { key: this.#takeKey(), counter: 0, aad: this.hash });
    this.mixHash(sealed);
    return plaintext;
  }

  finish(): NoiseResult {
    const [initiatorKey, responderKey] = hkdf2(this.chainingKey, Buffer.alloc(0));
    return { chainingKey: this.chainingKey, handshakeHash: this.hash, initiatorKey, responderKey };
  }
}

/** What a finished handshake gives. */
export interface NoiseResult {
  /** The final `ck`; secret. */
  readonly chainingKey: Buffer;
  /** The final `h`. */
  readonly handshakeHash: Buffer;
  /** The key from Split for what the initiator sends. */
  readonly initiatorKey: Buffer;
  /** The key from Split for what the responder sends. */
  readonly responderKey: Buffer;
}

function splitMessage(message: Buffer): { ephemeral: Buffer; sealed: Buffer } {
  if (message.length < NOISE_OVERHEAD_BYTES) throw new ProtocolError('truncated', 'Noise message too short');
  return { ephemeral: message.subarray(0, KEY_BYTES), sealed: message.subarray(KEY_BYTES) };
}

/** What the client's side starts from. */
export interface NoiseInitiatorOptions {
  readonly prologue: Buffer;
  /** The relay's static public key, 32 bytes. */
  readonly relayPublicKey: Buffer;
  /** 32 fresh random bytes, used for this handshake only. */
  readonly ephemeralPrivateKey: Buffer;
}

/** The client's side: `payloadHash`, then `writeMessage1`, then `readMessage2`, each once. */
export class NoiseInitiator {
  readonly #state: SymmetricState;
  readonly #ephemeral: KeyPair;
  /** The handshake hash as it stands before the payload of message 1 is sealed. */
  readonly payloadHash: Buffer;

  constructor({ prologue, relayPublicKey, ephemeralPrivateKey }: NoiseInitiatorOptions) {
    this.#state = new SymmetricState(prologue, expectKey(relayPublicKey, 'relay key'));
    this.#ephemeral = keyPairOf(ephemeralPrivateKey);
    this.#state.mixHash(this.#ephemeral.publicKey);
    this.#state.mixKey(sharedSecret(this.#ephemeral.privateKey, importPublicKey(relayPublicKey)));
    this.payloadHash = this.#state.hash;
  }

  writeMessage1(payload: Buffer): Buffer {
    return Buffer.concat([this.#ephemeral.publicKey, this.#state.encryptAndHash(payload)]);
  }

  /** Throws a `ProtocolError` (`truncated`, `not-authentic`); the handshake is then over. */
  readMessage2(message: Buffer): { payload: Buffer; result: NoiseResult } {
    const { ephemeral, sealed } = splitMessage(message);
    this.#state.mixHash(ephemeral);
    this.#state.mixKey(sharedSecret(this.#ephemeral.privateKey, importPublicKey(ephemeral)));
    const payload = this.#state.decryptAndHash(sealed);
    return { payload, result: this.#state.finish() };
  }
}

/** What the relay's side starts from. */
export interface NoiseResponderOptions {
  readonly prologue: Buffer;
  /** The relay's static key pair. */
  readonly relayKey: KeyPair;
  /** Message 1 as it came. */
  readonly message: Buffer;
}

/** The relay's side: made from message 1, then `writeMessage2` once. Making it throws a `ProtocolError` when message 1 is wrong. */
export class NoiseResponder {
  readonly #state: SymmetricState;
  readonly #clientKey: KeyObject;
  /** The payload of message 1. */
  readonly payload: Buffer;
  /** The handshake hash as it stood before the payload of message 1 was sealed. */
  readonly payloadHash: Buffer;

  constructor({ prologue, relayKey, message }: NoiseResponderOptions) {
    const { ephemeral, sealed } = splitMessage(message);
    this.#state = new SymmetricState(prologue, relayKey.publicKey);
    this.#clientKey = importPublicKey(ephemeral);
    this.#state.mixHash(ephemeral);
    this.#state.mixKey(sharedSecret(relayKey.privateKey, this.#clientKey));
    this.payloadHash = this.#state.hash;
    this.payload = this.#state.decryptAndHash(sealed);
  }

  /** `ephemeralPrivateKey`: 32 fresh random bytes, used for this handshake only. */
  writeMessage2(payload: Buffer, ephemeralPrivateKey: Buffer): { message: Buffer; result: NoiseResult } {
    const own = keyPairOf(ephemeralPrivateKey);
    this.#state.mixHash(own.publicKey);
    this.#state.mixKey(sharedSecret(own.privateKey, this.#clientKey));
    const message = Buffer.concat([own.publicKey, this.#state.encryptAndHash(payload)]);
    return { message, result: this.#state.finish() };
  }
}
