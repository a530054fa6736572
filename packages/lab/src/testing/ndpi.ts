import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePcap } from './pcap.ts';
import type { Passage } from './tap.ts';
import { runTool } from './tools.ts';

/** What nDPI says of one connection. */
export interface NdpiLabel {
  /** Its name for the protocol, such as `TLS` or `HTTP`. */
  readonly protocol: string;
  /** Whether it has looked at bytes, and not at the port. */
  readonly isByInspection: boolean;
  readonly risks: ReadonlySet<string>;
}

/** Has nDPI (Debian's `ndpiReader -d -v 2`) judge a capture of one connection to a port; the file goes into the folder. */
export async function labelByNdpi(passages: readonly Passage[], port: number, folder: string): Promise<NdpiLabel> {
  const file = join(folder, `capture-${process.hrtime.bigint()}.pcap`);
  await writeFile(file, makePcap(passages, port));
  const { out } = await runTool('ndpiReader', ['-i', file, '-d', '-v', '2']);
  const lines = out.toString().split('\n');
  const flow = lines.find((line) => /^\s+1\s+TCP /.test(line)) ?? '';
  const [, protocol = 'none'] = /\[proto: [\d.]+\/([^\]]+)\]/.exec(flow) ?? [];
  const [, risks = ''] = /\[Risk: ([^\]]*)\]/.exec(flow) ?? [];
  const named = risks.split('**').map((risk) => risk.trim());
  return {
    protocol,
    isByInspection: /Confidence: DPI/.test(flow),
    risks: new Set(named.filter((risk) => risk !== '')),
  };
}
