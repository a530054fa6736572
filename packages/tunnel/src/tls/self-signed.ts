import type { Random } from '../env.ts';
import { authorityExtensions, challengeExtension, drawKey, nameExtensions, pemOfKey, signCertificate } from './x509.ts';

/** A private key and its certificate, each in PEM; behind the certificate may stand those that vouch for it. */
export interface Identity {
  readonly key: string;
  readonly certificate: string;
}

const DAY_MS = 86_400_000;
/** Valid from a moment of this span, for ten years: as long as people who sign for themselves like to have it. */
const FIRST_MS: number = Date.UTC(2024, 0, 8);
const SPAN_MS = 500 * DAY_MS;
const VALID_MS = 3650 * DAY_MS;

/**
 * Draws a P-256 key and a certificate for it, signed by itself, that resembles what `openssl req -x509` makes for `name`. Its dates do not
 * depend on the clock: clients of ours go by the pin and not by the date.
 */
export function createSelfSigned(random: Random, name: string): Identity {
  const key = drawKey(random);
  const fromMs = FIRST_MS + Math.floor(random.fraction() * SPAN_MS);
  const self = { name, key };
  const extensions = [...authorityExtensions(key, key), ...nameExtensions(name)];
  const contents = { subject: self, issuer: self, fromMs, toMs: fromMs + VALID_MS, extensions };
  return { key: pemOfKey(key), certificate: signCertificate(random, contents) };
}

/** Draws what a server shows to an authority that asks by TLS-ALPN-01 whether it has `name` (RFC 8737 §3). */
export function createChallengeIdentity(random: Random, name: string, digest: Buffer): Identity {
  const key = drawKey(random);
  const self = { name, key };
  const extensions = [...nameExtensions(name), challengeExtension(digest)];
  const contents = { subject: self, issuer: self, fromMs: FIRST_MS, toMs: FIRST_MS + VALID_MS, extensions };
  return { key: pemOfKey(key), certificate: signCertificate(random, contents) };
}
