import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { formatShareLink, ProtocolError, parseEntryText, parseServerEntry, type ServerEntry } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { MAX_ENTRIES } from './limits.ts';

/** A link may come in quotes or brackets; whatever holds one is never taken for a file name, which an error would print. */
const LINK = /rozan:\/\//i;

/** The text behind one `--entry`: a file, standard input (`-`), or a link as it is. */
async function readSource(env: Env, source: string): Promise<string> {
  if (LINK.test(source)) {
    // Other users of the machine can read command lines, and shells keep them.
    const advice =
      'A link on the command line can be read by others on this machine. Put it into a file and name that instead.';
    env.log({ event: 'entry.exposed', advice });
    return source;
  }
  if (source === '-') return (await buffer(process.stdin)).toString('utf8');
  try {
    return await readFile(source, 'utf8');
  } catch (cause) {
    throw new ProgramError(EXIT_CODE.usage, `the file of server entries could not be read: ${source}`, {
      cause,
      remedy: 'Give --entry a file with rozan:// links, one per line, or - to read them from standard input.',
    });
  }
}

/** A server entry and the link that it came by. */
export interface LinkedEntry {
  readonly entry: ServerEntry;
  readonly link: string;
}

/** Reads the entries that the sources name, without repetitions. Throws a `ProgramError`. */
export async function readEntries(env: Env, sources: readonly string[]): Promise<LinkedEntry[]> {
  const entries = new Map<string, LinkedEntry>();
  for (const source of sources) {
    for (const linked of parseText(env, await readSource(env, source))) entries.set(linked.entry.tag, linked);
  }
  if (entries.size > MAX_ENTRIES) throw new ProgramError(EXIT_CODE.usage, `more than ${MAX_ENTRIES} server entries`);
  return [...entries.values()];
}

function parseText(env: Env, text: string): LinkedEntry[] {
  try {
    return parseEntryText(text).map((bytes) => {
      const { entry, validity } = parseServerEntry(bytes, { nowMs: env.clock.wallMs() });
      // A stale entry is better than none; and the clock of this machine may be what is wrong.
      if (validity !== 'valid') env.log({ event: 'entry.stale', relay: entry.tag, validity });
      return { entry, link: formatShareLink(bytes) };
    });
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, `not a server entry: ${cause.message}`, {
      cause,
      remedy: 'A server entry is a rozan:// link. Copy it again, whole; a part may be missing.',
    });
  }
}
