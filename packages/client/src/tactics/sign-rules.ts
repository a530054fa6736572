import { readFile, rename, writeFile } from 'node:fs/promises';
import {
  formatTactics,
  ProtocolError,
  parseTactics,
  readTacticsPayload,
  signerOf,
  signTactics,
  type Tactics,
} from '@rozan/protocol';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { readTacticsFile } from './tactics-file.ts';

const DEFAULT_TTL_SECONDS = 21_600;
const DAY_SECONDS = 86_400;

/** What `rozan tactics sign` is told. */
export interface SignOptions {
  /** A file with the rules as JSON. */
  readonly rules: string;
  readonly out: string;
  readonly privateKey: Buffer;
  readonly days: number;
  /** The time, in ms since 1970. */
  readonly nowMs: number;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Signs rules into a file, which is replaced as a whole. Throws a `ProgramError` that says which rule and member is wrong. */
export async function signRules(options: SignOptions): Promise<Tactics> {
  const { rules: path, out, privateKey, days, nowMs } = options;
  const given = await readRules(path);
  // Clients take only what was issued later than what they have.
  const issued = Math.max(Math.floor(nowMs / 1000), (await issuedBefore(out, privateKey)) + 1);
  const expires = issued + Math.round(days * DAY_SECONDS);
  const document = { ttl: DEFAULT_TTL_SECONDS, issued, expires, ...given };
  try {
    const fields = readTacticsPayload(Buffer.from(JSON.stringify(document)));
    const written: unknown = JSON.parse(JSON.stringify(formatTactics(fields)));
    const unknown = unknownMember(document, written);
    if (unknown !== null) throw new ProtocolError('malformed', `tactics: ${unknown} means nothing; is it misspelt?`);
    const bytes = signTactics(fields, privateKey);
    await writeFile(`${out}.new`, bytes);
    await rename(`${out}.new`, out);
    return parseTactics(bytes, [signerOf(privateKey)]);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, cause.message, {
      cause,
      remedy: 'docs/spec/tactics.md lists the settings and their ranges.',
    });
  }
}

async function readRules(path: string): Promise<Readonly<Record<string, unknown>>> {
  const remedy = 'It is a JSON object with a list of "rules", as in docs/spec/tactics.md.';
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the rules cannot be read: ${path}`, { cause, remedy });
  });
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch (cause) {
    const where = cause instanceof Error ? `: ${cause.message}` : '';
    throw new ProgramError(EXIT_CODE.usage, `the rules are no JSON${where}`, { cause, remedy });
  }
  throw new ProgramError(EXIT_CODE.usage, 'the rules are no JSON object', { remedy });
}

/** When the document that is to be replaced was issued, in seconds since 1970; 0 for none of this key. */
async function issuedBefore(out: string, privateKey: Buffer): Promise<number> {
  try {
    return parseTactics(await readTacticsFile(out), [signerOf(privateKey)]).issuedMs / 1000;
  } catch {
    return 0;
  }
}

/** A member of `given` that did not arrive in `taken`, as a path; null if all have. Readers skip such members; a signer has misspelt them. */
function unknownMember(given: unknown, taken: unknown): string | null {
  if (Array.isArray(given) && Array.isArray(taken)) {
    for (const [index, value] of given.entries()) {
      const found = unknownMember(value, taken[index]);
      if (found !== null) return `${index + 1}. ${found}`;
    }
    return null;
  }
  if (!isObject(given) || !isObject(taken)) return null;
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(taken, name)) return `"${name}"`;
    const found = unknownMember(value, taken[name]);
    if (found !== null) return `"${name}" ${found}`;
  }
  return null;
}
