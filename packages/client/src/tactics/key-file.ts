import { open, stat } from 'node:fs/promises';
import { encodeBase64url, signerOf } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { parseKey } from './tactics-file.ts';

const KEY_BYTES = 32;
const MAX_KEY_FILE_BYTES = 1024;

/** Makes a private key in a new file that only its owner can read; returns the public one. Throws a `ProgramError`. */
export async function createKeyFile(random: Random, path: string): Promise<Buffer> {
  const privateKey = random.bytes(KEY_BYTES);
  const file = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the key file cannot be made: ${path}`, {
      cause,
      remedy: 'A file that is there already is never written over. Name another one.',
    });
  });
  try {
    await file.writeFile(`${encodeBase64url(privateKey)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return signerOf(privateKey);
}

/** Reads what `createKeyFile` has written. Throws a `ProgramError`; the key is in no error. */
export async function readKeyFile(path: string): Promise<Buffer> {
  const { mode, size } = await stat(path).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the key file cannot be read: ${path}`, {
      cause,
      remedy: '`rozan tactics keygen --signing-key FILE` makes one.',
    });
  });
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new ProgramError(EXIT_CODE.dataFolder, `others can read the key file: ${path}`, {
      remedy: `Run chmod 600 on it, and think about whether somebody has read it.`,
    });
  }
  const file = await open(path);
  try {
    const text = size > MAX_KEY_FILE_BYTES ? '' : await file.readFile('utf8');
    const key = parseKey(text);
    if (key !== null) return key;
  } finally {
    await file.close();
  }
  throw new ProgramError(EXIT_CODE.usage, `no private key is in the key file: ${path}`, {
    remedy: 'It holds 43 letters and digits on one line, as `rozan tactics keygen` writes them.',
  });
}
