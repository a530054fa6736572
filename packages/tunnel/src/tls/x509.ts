// Certificates and requests for them (RFC 5280, RFC 2986) over P-256, as far as they are made here.
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

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  extensionRequest: '1.2.840.113549.1.9.14',
  subjectKeyId: '2.5.29.14',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  acmeIdentifier: '1.3.6.1.5.5.7.1.31',
} as const;

const SCALAR_BYTES = 32;
const SERIAL_BYTES = 20;

/** Draws a private key on P-256. */
export function drawKey(random: Random): KeyObject {
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

/** A private key in PEM. */
export function pemOfKey(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' });
}

/** The last 65 bytes of a P-256 key's SubjectPublicKeyInfo are the point, which key ids are made of (RFC 5280 §4.2.1.2). */
function keyIdOf(key: KeyObject): Buffer {
  return createHash('sha1').update(spkiOf(key).subarray(-65)).digest();
}

/** The extensions of an authority's certificate over a subject's and an issuer's key; both are the same where it signs for itself. */
export function authorityExtensions(subject: KeyObject, issuer: KeyObject): Buffer[] {
  return [
    sequence(objectId(OID.subjectKeyId), octets(octets(keyIdOf(subject)))),
    sequence(objectId(OID.authorityKeyId), octets(sequence(element(0x80, keyIdOf(issuer))))),
    sequence(objectId(OID.basicConstraints), truth(), octets(sequence(truth()))),
  ];
}

/** The name as an extension; none for an address, or for a name that is no domain's. */
export function nameExtensions(name: string): Buffer[] {
  if (ipVersion(name) !== 0 || !name.includes('.')) return [];
  return [sequence(objectId(OID.subjectAltName), octets(sequence(element(0x82, Buffer.from(name)))))];
}

/** What shows that the owner of an account has the name (RFC 8737 §3): the SHA-256 of the challenge's key authorization. */
export function challengeExtension(digest: Buffer): Buffer {
  return sequence(objectId(OID.acmeIdentifier), truth(), octets(octets(digest)));
}

/** What a certificate says. */
export interface CertificateContents {
  readonly subject: { readonly name: string; readonly key: KeyObject };
  /** Signs with its private key. */
  readonly issuer: { readonly name: string; readonly key: KeyObject };
  readonly fromMs: number;
  readonly toMs: number;
  readonly extensions: readonly Buffer[];
}

function commonName(name: string): Buffer {
  return sequence(setOf(sequence(objectId(OID.commonName), utf8(name))));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

/** A certificate in PEM, with a serial number that is drawn. */
export function signCertificate(random: Random, contents: CertificateContents): string {
  const { subject, issuer, fromMs, toMs, extensions } = contents;
  const algorithm = sequence(objectId(OID.ecdsaWithSha256));
  const serial = random.bytes(SERIAL_BYTES);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    tagged(0, positiveInteger(Buffer.from([2]))),
    positiveInteger(serial),
    algorithm,
    commonName(issuer.name),
    sequence(moment(fromMs), moment(toMs)),
    commonName(subject.name),
    spkiOf(subject.key),
    tagged(3, sequence(...extensions)),
  );
  return pem('CERTIFICATE', sequence(body, algorithm, bitString(sign('sha256', body, issuer.key))));
}

/** A request for a certificate of a name, in DER. */
export function createSigningRequest(key: KeyObject, name: string): Buffer {
  const extensions = sequence(objectId(OID.extensionRequest), setOf(sequence(...nameExtensions(name))));
  const body = sequence(positiveInteger(Buffer.from([0])), commonName(name), spkiOf(key), tagged(0, extensions));
  return sequence(body, sequence(objectId(OID.ecdsaWithSha256)), bitString(sign('sha256', body, key)));
}
