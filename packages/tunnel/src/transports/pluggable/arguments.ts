// The two ways in which pluggable transports write their arguments (pt-spec.txt, version 1, §3.3.3 and §3.5): names and values with
// a backslash in front of what would separate them.
import { TunnelError } from '../../errors.ts';
import type { Socks5Login } from '../../upstream/socks5-client.ts';
import { MAX_SOCKS_TEXT_BYTES } from './limits.ts';

/** Arguments of a pluggable transport, by name. */
export type PluggableArguments = Readonly<Record<string, string>>;

/** What a name or value may be made of: printable ASCII without spaces. */
const TEXT = /^[!-~]*$/;

/**
 * Reads `name=value` pairs between separators. A backslash makes a separator, an equals sign or a backslash part of the text. Null for what
 * is none: an empty name, a pair without `=`, a name that comes twice, a character that is not printable.
 */
export function parseArguments(text: string, separator: ',' | ';'): PluggableArguments | null {
  if (!TEXT.test(text)) return null;
  if (text === '') return {};
  const pairs = new Map<string, string>();
  let name: string | null = null;
  let current = '';
  const finish = (): boolean => {
    if (name === null || name === '' || pairs.has(name)) return false;
    pairs.set(name, current);
    name = null;
    current = '';
    return true;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\') {
      at += 1;
      if (at === text.length) return null;
      current += text.charAt(at);
    } else if (character === '=' && name === null) {
      name = current;
      current = '';
    } else if (character === separator) {
      if (!finish()) return null;
    } else current += character;
  }
  // By entries, so that a name like `__proto__` is a name like any other.
  return finish() ? Object.fromEntries(pairs) : null;
}

/** The text that `parseArguments` reads. */
export function formatArguments(args: PluggableArguments, separator: ',' | ';'): string {
  const guard = (text: string) => text.replace(/[\\=,;]/g, (character) => mustEscape(character, separator));
  return Object.entries(args)
    .map(([name, value]) => `${guard(name)}=${guard(value)}`)
    .join(separator);
}

function mustEscape(character: string, separator: string): string {
  const isOther = (character === ',' || character === ';') && character !== separator;
  return isOther ? character : `\\${character}`;
}

/**
 * The login that carries arguments to a client executable (§3.5): the text in the user name and, as far as it does not fit there, in the
 * password, which is a zero byte where nothing is left for it. Null without arguments. Throws a `TunnelError` (`bad-params`) for too many.
 */
export function socksLogin(args: PluggableArguments): Socks5Login | null {
  const bytes = Buffer.from(formatArguments(args, ';'), 'latin1');
  if (bytes.length === 0) return null;
  if (bytes.length > 2 * MAX_SOCKS_TEXT_BYTES) {
    throw new TunnelError('bad-params', 'the arguments of the pluggable transport are too long');
  }
  const rest = bytes.subarray(MAX_SOCKS_TEXT_BYTES);
  return { user: bytes.subarray(0, MAX_SOCKS_TEXT_BYTES), password: rest.length > 0 ? rest : Buffer.alloc(1) };
}

/** Checks arguments that came from outside. Throws a `TunnelError` (`bad-params`). */
export function checkArguments(input: unknown): PluggableArguments {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw badArguments();
  const args: [string, string][] = [];
  for (const [name, value] of Object.entries(input)) {
    if (typeof value !== 'string' || name === '' || !TEXT.test(name) || !TEXT.test(value)) throw badArguments();
    args.push([name, value]);
  }
  const checked = Object.freeze(Object.fromEntries(args));
  socksLogin(checked);
  return checked;
}

function badArguments(): TunnelError {
  return new TunnelError('bad-params', 'the arguments of a pluggable transport are an object of printable text');
}
