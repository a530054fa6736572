// Files of private keys: JSON, readable by their owner alone, and sealed by a passphrase with age where that is asked for.
import { type FileHandle, open } from 'node:fs/promises';
import type { Random } from '@rozan/tunnel';
import { PublicationError } from './errors.ts';
import { type PublicKey, publicKeyOf, type SigningKey, signingKeyOf } from './keys.ts';
import { MAX_KEY_FILE_BYTES } from './limits.ts';
import { isObject } from './metadata.ts';

const SEED_BYTES = 32;
const FORMAT = 'rozan publication key';
const ARMOR_HEAD = '-----BEGIN AGE ENCRYPTED FILE-----';
const HEX_KEY = /^[0-9a-f]{64}$/;

/** How a key file is made. */
export interface NewKeyOptions {
  /** For which role, in words of the file only; what a key may sign stands in the metadata above it. */
  readonly role: string;
  /** Without one the file is not sealed. */
  readonly passphrase?: string | undefined;
  /** How hard a passphrase is to guess: scrypt's cost is 2^this. Defaults to that of age, about a second. */
  readonly workFactor?: number | undefined;
}

/**
 * Draws a key into a new file of mode 0600, beside which a file `PATH.pub` shows the public one. Throws a `PublicationError` (`key`) where a
 * file of the name is there or cannot be made.
 */
export async function createKeyFile(random: Random, path: string, options: NewKeyOptions): Promise<PublicKey> {
  const seed = random.bytes(SEED_BYTES);
  const key = publicKeyOf(signingKeyOf(seed).bytes);
  const { role, passphrase, workFactor } = options;
  const shown = { format: FORMAT, role, public: key.bytes.toString('hex') };
  const text = `${JSON.stringify({ ...shown, private: seed.toString('hex') })}\n`;
  const content = passphrase === undefined ? text : await seal(text, passphrase, workFactor);
  await writeNew(path, content, 0o600);
  await writeNew(`${path}.pub`, `${JSON.stringify(shown)}\n`, 0o644);
  return key;
}

/** Whether the file is sealed by a passphrase. Throws a `PublicationError` (`key`). */
export async function isSealedKeyFile(path: string): Promise<boolean> {
  return (await readSmall(path)).startsWith(ARMOR_HEAD);
}

/** Reads what `createKeyFile` has made. Throws a `PublicationError` (`key`); nothing of the key is in it. */
export async function readKeyFile(path: string, passphrase?: string): Promise<SigningKey> {
  const text = await readSmall(path, { isPrivate: true });
  const opened = text.startsWith(ARMOR_HEAD) ? await unseal(text, passphrase, path) : text;
  const { private: seed } = parseKeyJson(opened, path);
  if (typeof seed !== 'string' || !HEX_KEY.test(seed)) throw noKey(path);
  return signingKeyOf(Buffer.from(seed, 'hex'));
}

/** Reads a public key: a `.pub` file, or 64 hexadecimal digits in place of a path. Throws a `PublicationError` (`key`). */
export async function readPublicKey(source: string): Promise<PublicKey> {
  if (HEX_KEY.test(source)) return publicKeyOf(Buffer.from(source, 'hex'));
  const value = parseKeyJson(await readSmall(source), source);
  if (typeof value.public !== 'string' || !HEX_KEY.test(value.public)) throw noKey(source);
  return publicKeyOf(Buffer.from(value.public, 'hex'));
}

/** Its cryptography takes longer to load than all the rest, and most programs never open a sealed file. */
function loadAge(): Promise<typeof import('age-encryption')> {
  return import('age-encryption');
}

async function seal(text: string, passphrase: string, workFactor: number | undefined): Promise<string> {
  const { armor, Encrypter } = await loadAge();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  if (workFactor !== undefined) encrypter.setScryptWorkFactor(workFactor);
  return armor.encode(await encrypter.encrypt(text));
}

async function unseal(text: string, passphrase: string | undefined, path: string): Promise<string> {
  if (passphrase === undefined) {
    throw new PublicationError('key', `the key file is sealed by a passphrase: ${path}`, {
      remedy: 'Give a file that holds the passphrase with --passphrase-file FILE.',
    });
  }
  const { armor, Decrypter } = await loadAge();
  try {
    const decrypter = new Decrypter();
    decrypter.addPassphrase(passphrase);
    return await decrypter.decrypt(armor.decode(text), 'text');
  } catch (cause) {
    throw new PublicationError('key', `the passphrase does not open the key file: ${path}`, {
      cause,
      remedy: 'Passphrases are exact, down to capitals and blanks.',
    });
  }
}

function parseKeyJson(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && value.format === FORMAT) return value;
  } catch {
    // What stands in a broken key file is nobody's business.
  }
  throw noKey(path);
}

async function readSmall(path: string, { isPrivate = false } = {}): Promise<string> {
  let file: FileHandle | null = null;
  try {
    file = await open(path);
    const { mode, size } = await file.stat();
    if (isPrivate && process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new PublicationError('key', `others can read the key file: ${path}`, {
        remedy: 'Run chmod 600 on it, and think about whether somebody has read it.',
      });
    }
    if (size > MAX_KEY_FILE_BYTES) throw noKey(path);
    return (await file.readFile('utf8')).trim();
  } catch (cause) {
    if (cause instanceof PublicationError) throw cause;
    throw new PublicationError('key', `the key file cannot be read: ${path}`, { cause });
  } finally {
    await file?.close();
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new PublicationError('key', `the key file cannot be made: ${path}`, {
      cause,
      remedy: 'A file that is there already is never written over. Name another one.',
    });
  }
}

function noKey(path: string): PublicationError {
  return new PublicationError('key', `no key is in the file: ${path}`, {
    remedy: '`rozan keys new FILE` makes one.',
  });
}
