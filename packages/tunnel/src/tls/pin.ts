import { createHash, X509Certificate } from 'node:crypto';
import { TunnelError } from '../errors.ts';

/** The SHA-256 of a certificate in DER, in base64url: by this a client knows a relay whose certificate nobody vouches for. */
export function pinOfDer(der: Buffer): string {
  return createHash('sha256').update(der).digest('base64url');
}

/** The pin of the first certificate in a PEM text. Throws a `TunnelError` (`bad-params`). */
export function pinOfPem(pem: string): string {
  try {
    return pinOfDer(new X509Certificate(pem).raw);
  } catch (cause) {
    throw new TunnelError('bad-params', 'not a certificate in PEM', { cause });
  }
}

/** Whether a text can be a pin. */
export function isPin(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}
