import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TunnelError } from '../../errors.ts';
import { MAX_COMMAND_CHARS, MAX_COMMAND_WORDS } from './limits.ts';

/** Client executables that are looked for when nobody names one, the preferred ones first. */
const KNOWN: ReadonlyMap<string, readonly string[]> = new Map([
  ['obfs4', ['lyrebird', 'obfs4proxy']],
  ['meek_lite', ['lyrebird', 'obfs4proxy']],
  ['webtunnel', ['webtunnel-client', 'lyrebird']],
  ['snowflake', ['snowflake-client']],
]);

/** Where Debian puts them, beside the search path. */
const FOLDERS = ['/usr/bin', '/usr/local/bin'];

/** Splits a command at spaces, as tor does. Throws a `TunnelError` (`bad-params`) where it is empty or too long. */
export function parseCommandWords(text: string): readonly string[] {
  const words = text.split(' ').filter((word) => word !== '');
  if (words.length === 0 || words.length > MAX_COMMAND_WORDS || text.length > MAX_COMMAND_CHARS) {
    throw new TunnelError('bad-params', 'an executable is a path, with its arguments behind it if it needs any');
  }
  return words;
}

/** The command for a method of which nothing is said, or null when none of those known is on this machine. */
export function findKnownCommand(
  method: string,
  searchPath: string = process.env.PATH ?? '',
): readonly string[] | null {
  const folders = [...searchPath.split(delimiter).filter((folder) => folder !== ''), ...FOLDERS];
  for (const name of KNOWN.get(method) ?? []) {
    const folder = folders.find((each) => existsSync(join(each, name)));
    if (folder !== undefined) return [join(folder, name)];
  }
  return null;
}
