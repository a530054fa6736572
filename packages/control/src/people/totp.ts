import { generateSecret, generateURI, verify } from 'otplib';

const ISSUER = 'Rozan';
/** Codes of the step before and after are taken, too: people type slowly, and clocks differ. */
const TOLERANCE_SECONDS = 30;

/** A new secret for time-based codes (RFC 6238), base32. */
export function createTotpSecret(): string {
  return generateSecret();
}

/** What an authenticator app reads from a QR code. */
export function totpUri(secret: string, accountName: string): string {
  return generateURI({ issuer: ISSUER, label: accountName, secret });
}

/** The step of a code that is right and was not used (`lastStep` was the last that was), or null. */
export async function stepOfCode(
  secret: string,
  code: string,
  at: { readonly nowMs: number; readonly lastStep: number },
): Promise<number | null> {
  const result = await verify({
    secret,
    token: code,
    epoch: Math.floor(at.nowMs / 1000),
    epochTolerance: TOLERANCE_SECONDS,
    ...(at.lastStep > 0 ? { afterTimeStep: at.lastStep } : {}),
  });
  return result.valid && 'timeStep' in result ? result.timeStep : null;
}
