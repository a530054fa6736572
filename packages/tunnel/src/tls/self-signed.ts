import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import type { Random } from '../env.ts';
import { ipVersion } from '../network.ts';
import {
  bitString,
  element,
  moment,
  objectId,
  octets,
  positiveInteger,
  sequence,
  setOf,
  tagged,
  truth,
  utf8,
} from './der.ts';

/** A private key and its certificate, each in PEM. */
export interface Identity {
  readonly key: string;
  readonly certificate: string;
}

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
} as const;

const SCALAR_BYTES = 32;
const SERIAL_BYTES = 20;
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
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const fromMs = FIRST_MS + Math.floor(random.fraction() * SPAN_MS);
  const algorithm = sequence(objectId(OID.ecdsaWithSha256));
  const subject = sequence(setOf(sequence(objectId(OID.commonName), utf8(name))));
  const serial = random.bytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0, positiveInteger(Buffer.from([2]))),
    positiveInteger(serial),
    algorithm,
    subject,
    sequence(moment(fromMs), moment(fromMs + VALID_MS)),
    subject,
    spki,
    tagged(3, extensionsOf(spki, name)),
  );
  const certificate = sequence(body, algorithm, bitString(sign('sha256', body, key)));
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }),
    certificate: `-----BEGIN CERTIFICATE-----\n${linesOf(certificate)}\n-----END CERTIFICATE-----\n`,
  };
}

function drawKey(random: Random): KeyObject {
  const ecdh = createECDH('prime256v1');
  for (;;) {
    const scalar = random.bytes(SCALAR_BYTES);
    try {
      ecdh.setPrivateKey(scalar);
    } catch {
      // Not a number below the order of the group: one in 2^32 is none.
      continue;
    }
    const point = ecdh.getPublicKey();
    const [x, y] = [point.subarray(1, 33).toString('base64url'), point.subarray(33).toString('base64url')];
    const jwk = { kty: 'EC', crv: 'P-256', d: scalar.toString('base64url'), x, y };
    return createPrivateKey({ key: jwk, format: 'jwk' });
  }
}

function extensionsOf(spki: Buffer, name: string): Buffer {
  // The last 65 bytes of a P-256 key's SubjectPublicKeyInfo are the point, which key ids are made of (RFC 5280 §4.2.1.2).
  const keyId = createHash('sha1').update(spki.subarray(-65)).digest();
  const extensions = [
    sequence(objectId(OID.subjectKeyId), octets(octets(keyId))),
    sequence(objectId(OID.authorityKeyId), octets(sequence(element(0x80, keyId)))),
    sequence(objectId(OID.basicConstraints), truth(), octets(sequence(truth()))),
  ];
  if (ipVersion(name) === 0 && name.includes('.')) {
    extensions.push(sequence(objectId(OID.subjectAltName), octets(sequence(element(0x82, Buffer.from(name))))));
  }
  return sequence(...extensions);
}

function linesOf(der: Buffer): string {
  return der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
}
