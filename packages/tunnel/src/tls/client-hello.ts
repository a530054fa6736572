import type { ConnectionOptions } from 'node:tls';

/** The part of a TLS client hello that can be chosen, as far as the runtime can. */
export type ClientHello = Pick<
  ConnectionOptions,
  'ciphers' | 'sigalgs' | 'ecdhCurve' | 'minVersion' | 'maxVersion' | 'requestOCSP' | 'secureOptions'
>;

/** What Chromium offers, in its order (since 131; without GREASE, which no runtime of ours can send). */
const CHROMIUM_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
];

/** Chromium's signature algorithms before ML-DSA, up to 149 or so. */
export const CHROMIUM_CLASSIC_SIGNATURES: readonly string[] = [
  'ecdsa_secp256r1_sha256',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'rsa_pkcs1_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha512',
];

const CHROMIUM_SIGNATURES = ['mldsa44', 'mldsa65', 'mldsa87', ...CHROMIUM_CLASSIC_SIGNATURES];

/** Chromium's groups, as OpenSSL and BoringSSL write them. */
export const CHROMIUM_GROUPS = 'X25519MLKEM768:X25519:P-256:P-384';

/** OpenSSL's option that leaves the extension encrypt-then-MAC out, which no browser sends; `node:crypto` has no name for it. */
const NO_ENCRYPT_THEN_MAC = 1 << 19;

/**
 * Node's own TLS, tuned: the same ciphers, signature algorithms and groups as Chromium's, in its order, and no extension that Chromium does not
 * send. What stays its own is that five are missing, their order, and the lack of GREASE (docs/resistance.md says who can tell).
 */
export const TUNED_NODE_HELLO: ClientHello = {
  ciphers: CHROMIUM_CIPHERS.join(':'),
  sigalgs: CHROMIUM_SIGNATURES.join(':'),
  ecdhCurve: CHROMIUM_GROUPS,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  // Asks for a stapled answer, as browsers do; none is waited for.
  requestOCSP: true,
  secureOptions: NO_ENCRYPT_THEN_MAC,
};
