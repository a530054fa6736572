import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';

/** The last one that may be used (RFC 7300). */
const MAX_ASN = 4_294_967_294;

/** Reads `--country CODE`; null without. Throws a `ProgramError` (usage). */
export function countryOption(text: string | undefined): string | null {
  if (text === undefined) return null;
  if (/^[A-Za-z]{2}$/.test(text)) return text.toUpperCase();
  throw new ProgramError(EXIT_CODE.usage, '--country takes two letters, such as IR (ISO 3166-1)');
}

/** Reads `--asn NUMBER`, with AS in front or without; null without the option. Throws a `ProgramError` (usage). */
export function asnOption(text: string | undefined): number | null {
  if (text === undefined) return null;
  const [, digits] = /^(?:AS)?([0-9]{1,10})$/i.exec(text) ?? [];
  const asn = Number(digits ?? 0);
  if (asn >= 1 && asn <= MAX_ASN) return asn;
  throw new ProgramError(EXIT_CODE.usage, '--asn takes the number of an autonomous system, such as 44244 or AS44244');
}
