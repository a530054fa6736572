// What independent engines call the traffic of a subject: a real connection of its, seen by a tap and written as a capture.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from '@rozan/tunnel';
import { makePcap } from '../testing/pcap.ts';
import { startTap, type Tap } from '../testing/tap.ts';
import { findProgram, type Programs } from './programs.ts';
import { fetchPage } from './session.ts';
import type { Subject } from './subject.ts';

const CAP_MS = 20_000;

/** The engines of others that label what subjects send, by the names that the board has for them. */
export const JUDGES: readonly string[] = ['nDPI', 'Suricata'];

/** Judges that have nothing to say on this machine, by name, and why. */
export function missingJudges(): { readonly name: string; readonly why: string }[] {
  const noNdpi = { name: 'nDPI', why: 'not on this machine: ndpiReader' };
  const suricata = {
    name: 'Suricata',
    why:
      findProgram('suricata') === null
        ? 'not installable here: no candidate in Debian 12 without backports'
        : 'it is here, but the lab has no way to ask it yet',
  };
  return [...(findProgram('ndpiReader') === null ? [noNdpi] : []), suricata];
}

/** Asks nDPI about a capture; null where it is not on this machine. */
async function askNdpi(programs: Programs, file: string): Promise<string | null> {
  if (findProgram('ndpiReader') === null) return null;
  const lines = await programs.run('ndpiReader', ['-i', file, '-d', '-v', '2']);
  const flow = lines.find((line) => /^\s+1\s+TCP /.test(line)) ?? '';
  return /\[proto: [\d.]+\/([^\]]+)\]/.exec(flow)?.[1] ?? 'no flow';
}

/** The labels of a subject, by engine. */
export async function labelsOf(
  env: Env,
  programs: Programs,
  { subject, folder }: { subject: Subject; folder: string },
): Promise<Readonly<Record<string, string>>> {
  await using stack = new AsyncDisposableStack();
  const taps: { tap: Tap; port: number }[] = [];
  const client = stack.use(
    await subject.startClient(programs, async ({ actual, seenAs }) => {
      const tap = stack.use(await startTap(env, actual));
      taps.push({ tap, port: seenAs.port });
      return tap.address;
    }),
  );
  await fetchPage(env, client, { attemptMs: CAP_MS, signal: AbortSignal.timeout(CAP_MS) });
  const used = taps.find(({ tap }) => tap.connections.length > 0);
  const passages = used?.tap.connections.toSorted((a, b) => b.length - a.length)[0];
  if (used === undefined || passages === undefined) return {};
  const file = join(folder, `${subject.name}.pcap`);
  await writeFile(file, makePcap(passages, used.port));
  const nDPI = await askNdpi(programs, file);
  return nDPI === null ? {} : { nDPI };
}
