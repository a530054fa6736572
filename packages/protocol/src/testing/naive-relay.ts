// A relay's handshake written out step by step from docs/spec/wire.md on WebCrypto, sharing no code with the real one: slow, without
// checks, without state. Tests compare the two.
const { subtle } = globalThis.crypto;
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function bigEndian(value: number, count: number): Uint8Array {
  const digits = BigInt(value)
    .toString(16)
    .padStart(count * 2, '0');
  return Uint8Array.from({ length: count }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

async function sha256(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await subtle.digest('SHA-256', join(...parts)));
}

async function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const imported = await subtle.importKey('raw', join(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await subtle.sign('HMAC', imported, join(...parts)));
}

/** HKDF-SHA-256 with 32 bytes of output is two HMACs. */
async function derive(secret: Uint8Array, salt: Uint8Array, label: string): Promise<Uint8Array> {
  return hmac(
    await hmac(salt.length === 0 ? new Uint8Array(32) : salt, secret),
    ascii(`rozan/1 ${label}`),
    Uint8Array.of(1),
  );
}

async function gcm(mode: 'encrypt' | 'decrypt', key: Uint8Array, options: GcmOptions): Promise<Uint8Array> {
  const imported = await subtle.importKey('raw', join(key), 'AES-GCM', false, [mode]);
  const algorithm = { name: 'AES-GCM', iv: join(bigEndian(options.counter, 12)), additionalData: join(options.aad) };
  return new Uint8Array(await subtle[mode](algorithm, imported, join(options.data)));
}

interface GcmOptions {
  readonly counter: number;
  readonly aad: Uint8Array;
  readonly data: Uint8Array;
}

async function x25519(privateBytes: Uint8Array, publicBytes: Uint8Array): Promise<Uint8Array> {
  const pkcs8 = join(Uint8Array.from(Buffer.from('302e020100300506032b656e04220420', 'hex')), privateBytes);
  const privateKey = await subtle.importKey('pkcs8', pkcs8, 'X25519', false, ['deriveBits']);
  const publicKey = await subtle.importKey('raw', join(publicBytes), 'X25519', false, []);
  return new Uint8Array(await subtle.deriveBits({ name: 'X25519', public: publicKey }, privateKey, 256));
}

const BASE_POINT = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 9 : 0));

/** What the naive relay knows and draws. */
export interface NaiveRelayOptions {
  readonly relayPrivateKey: Buffer;
  readonly accessSecret: Buffer;
  readonly clientFlight: Buffer;
  readonly relaySalt: Buffer;
  readonly relayEphemeral: Buffer;
  /** The payload of the reply. */
  readonly replyPayload: Buffer;
  readonly paddingBytes: number;
}

/** What the naive relay made of a flight. */
export interface NaiveRelayResult {
  readonly header: Uint8Array;
  readonly requestPayload: Uint8Array;
  readonly payloadHash: Uint8Array;
  readonly relayFlight: Uint8Array;
  readonly sessionSecret: Uint8Array;
  readonly clientAeadKey: Uint8Array;
  readonly relayLengthKey: Uint8Array;
}

/** Opens a client's flight and makes the relay's. Rejects when something does not open. */
export async function naiveRelay(options: NaiveRelayOptions): Promise<NaiveRelayResult> {
  const { relayPrivateKey, accessSecret, clientFlight, relaySalt, relayEphemeral, replyPayload, paddingBytes } =
    options;
  const head = clientFlight.subarray(0, 64);
  const clientSalt = head.subarray(0, 32);
  const outerKey = await derive(accessSecret, clientSalt, 'client flight');
  const header = await gcm('decrypt', outerKey, { counter: 0, aad: head, data: clientFlight.subarray(64, 96) });
  const body = await gcm('decrypt', outerKey, {
    counter: 1,
    aad: clientFlight.subarray(0, 96),
    data: clientFlight.subarray(96),
  });
  const message1 = body.subarray(0, Buffer.from(header).readUInt16BE(8));

  const name = join(ascii('Noise_NK_25519_AESGCM_SHA256'), new Uint8Array(4));
  const hash0 = await sha256(name, join(ascii('rozan/1'), head, header));
  const hash1 = await sha256(hash0, await x25519(relayPrivateKey, BASE_POINT));
  const clientKey = message1.subarray(0, 32);
  const payloadHash = await sha256(hash1, clientKey);
  const temporary1 = await hmac(name, await x25519(relayPrivateKey, clientKey));
  const chain1 = await hmac(temporary1, Uint8Array.of(1));
  const key1 = await hmac(temporary1, chain1, Uint8Array.of(2));
  const sealed1 = message1.subarray(32);
  const requestPayload = await gcm('decrypt', key1, { counter: 0, aad: payloadHash, data: sealed1 });

  const relayKey = await x25519(relayEphemeral, BASE_POINT);
  const hash3 = await sha256(await sha256(payloadHash, sealed1), relayKey);
  const temporary2 = await hmac(chain1, await x25519(relayEphemeral, clientKey));
  const chain2 = await hmac(temporary2, Uint8Array.of(1));
  const key2 = await hmac(temporary2, chain2, Uint8Array.of(2));
  const sealed2 = await gcm('encrypt', key2, { counter: 0, aad: hash3, data: replyPayload });
  const finalHash = await sha256(hash3, sealed2);
  const temporary3 = await hmac(chain2);
  const split1 = await hmac(temporary3, Uint8Array.of(1));
  const split2 = await hmac(temporary3, split1, Uint8Array.of(2));

  const replyKey = await derive(accessSecret, join(clientSalt, relaySalt), 'relay flight');
  const noiseBytes = 32 + sealed2.length;
  const replyHeader = join(
    Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
    bigEndian(noiseBytes, 2),
    bigEndian(noiseBytes + paddingBytes, 2),
    new Uint8Array(4),
  );
  const sealedHeader = await gcm('encrypt', replyKey, { counter: 0, aad: relaySalt, data: replyHeader });
  const replyHead = join(relaySalt, sealedHeader);
  const replyBody = join(relayKey, sealed2, new Uint8Array(paddingBytes));
  return {
    header,
    requestPayload,
    payloadHash,
    relayFlight: join(replyHead, await gcm('encrypt', replyKey, { counter: 1, aad: replyHead, data: replyBody })),
    sessionSecret: await derive(chain2, finalHash, 'session'),
    clientAeadKey: await derive(split1, new Uint8Array(0), 'record aead'),
    relayLengthKey: await derive(split2, new Uint8Array(0), 'record length'),
  };
}
