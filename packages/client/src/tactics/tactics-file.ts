import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { decodeBase64url, MAX_TACTICS_BYTES, ProtocolError } from '@rozan/protocol';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';

const KEY_BYTES = 32;
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Reads a file of tactics, no further than one byte beyond the longest there is. Rejects when it cannot be read. */
export async function readTacticsFile(path: string): Promise<Buffer> {
  return await buffer(createReadStream(path, { end: MAX_TACTICS_BYTES }));
}

/** The 32 bytes of a key in base64url, alone on the first line of a text; null for anything else. */
export function parseKey(text: string): Buffer | null {
  const line = text.split('\n', 1)[0]?.trim() ?? '';
  if (!KEY.test(line)) return null;
  try {
    const key = decodeBase64url(line);
    return key.length === KEY_BYTES ? key : null;
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Reads `--tactics-key`: a public key, or a file that holds one. Throws a `ProgramError` (usage). */
export async function readTacticsKey(source: string): Promise<Buffer> {
  const key = parseKey(source) ?? parseKey(await readFile(source, 'utf8').catch(() => ''));
  if (key !== null) return key;
  throw new ProgramError(EXIT_CODE.usage, '--tactics-key takes an Ed25519 public key, or a file that holds one', {
    remedy: 'It is 43 letters and digits; who publishes the tactics can tell it (`rozan tactics keygen` prints it).',
  });
}
