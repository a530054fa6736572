import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { entryValidity, parseServerEntry, parseShareLink } from '@rozan/protocol';
import { type Brand, PublicationError, parseBrand } from '@rozan/publication';
import { createEnv, type Env } from '@rozan/tunnel';
import { writeFileAtomically } from '@rozan/tunnel/data-folder';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { z } from 'zod';
import { askControl } from './api-client.ts';
import { runCommand, type SetTask, usualFolder } from './run-command.ts';

interface BuildOptions {
  readonly channel: string;
  readonly bucket: string;
  readonly out?: string;
  readonly all?: string;
  readonly data?: string;
  readonly json?: boolean;
}

const brandSchema = z.object({ brand: z.string() });
const channelSchema = z.object({ buckets: z.array(z.object({ number: z.number() })) });

async function fetchBrand(env: Env, folder: string, bucket: { channel: string; number: string | number }) {
  const path = `/channels/${encodeURIComponent(bucket.channel)}/buckets/${encodeURIComponent(bucket.number)}/brand`;
  return brandSchema.parse(await askControl(env, folder, { method: 'GET', path })).brand;
}

/** Writes brand files; gives their paths. They hold a bucket's key, so that nobody else on the machine may read them. */
async function build(env: Env, options: BuildOptions): Promise<string[]> {
  const { channel, bucket, out, all, data = usualFolder() } = options;
  if ((out === undefined) === (all === undefined)) {
    throw new ProgramError(EXIT_CODE.usage, 'a brand file has to go somewhere', {
      remedy: 'Name a file with --out FILE, or a folder for a file of each bucket with --all DIR.',
    });
  }
  if (out !== undefined) {
    await writeFileAtomically(out, await fetchBrand(env, data, { channel, number: bucket }));
    return [out];
  }
  const path = `/channels/${encodeURIComponent(channel)}`;
  const { buckets } = channelSchema.parse(await askControl(env, data, { method: 'GET', path }));
  const folder = all ?? '';
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const files: string[] = [];
  for (const { number } of buckets) {
    const file = join(folder, `${channel}-${number}.json`);
    await writeFileAtomically(file, await fetchBrand(env, data, { channel, number }));
    files.push(file);
  }
  return files;
}

/** What is in a brand file, without what would lead to relays. */
function summaryOf(brand: Brand, nowMs: number) {
  const entries = brand.entries.map((link) => parseServerEntry(parseShareLink(link)).entry);
  return {
    network: brand.network,
    channel: brand.channel,
    partner: brand.partner,
    entries: entries.length,
    expired: entries.filter((entry) => entryValidity(entry, nowMs) === 'expired').length,
    mirrors: brand.mirrors,
    homes: Object.fromEntries(brand.homes),
    tacticsKeys: brand.tacticsKeys.length,
    partners: [...brand.partnerKeys.keys()],
    feedback: brand.feedback.length,
  };
}

async function show(env: Env, file: string): Promise<ReturnType<typeof summaryOf>> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the file cannot be read: ${file}`, { cause });
  });
  try {
    return summaryOf(parseBrand(bytes), env.clock.wallMs());
  } catch (cause) {
    if (!(cause instanceof PublicationError)) throw cause;
    throw new ProgramError(EXIT_CODE.failure, cause.message, { cause, remedy: cause.remedy });
  }
}

function describe({ network, channel, entries, expired, mirrors, homes }: ReturnType<typeof summaryOf>): string {
  const lines: (readonly [string, string])[] = [
    ['network', network],
    ['channel', channel],
    ['entries', expired === 0 ? `${entries}` : `${entries}, ${expired} of them expired`],
    ['mirrors', mirrors.length === 0 ? 'none: with these relays blocked, clients find no others' : mirrors.join(' ')],
    ['home pages', Object.entries(homes).flat().join(' ') || 'none'],
  ];
  return lines.map(([label, text]) => `${label.padEnd(12)}${text}`).join('\n');
}

function createBrandCommand(setTask: SetTask): Command {
  const env = createEnv({ log: () => {} });
  const say = (text: string) => {
    process.stdout.write(`${text}\n`);
    return EXIT_CODE.fine;
  };
  const brand = new Command('rozan brand').description('Brand files: all that a client needs to start.').exitOverride();
  brand
    .command('build')
    .description('write the brand file of a channel, as the control plane that runs on a folder has it')
    .requiredOption('--channel <id>', 'by which way people will learn of the relays in it')
    .option('--bucket <n>', 'which of its buckets', '0')
    .option('--out <file>', 'where to')
    .option('--all <dir>', 'a file for each bucket, into this folder')
    .option('--data <dir>', "the control plane's folder")
    .option('--json', 'as JSON')
    .action((options: BuildOptions) =>
      setTask(async () => {
        const files = await build(env, options);
        return say(options.json ? JSON.stringify({ files }) : files.join('\n'));
      }),
    );
  brand
    .command('show <file>')
    .description('show what is in a brand file')
    .option('--json', 'as JSON')
    .action((file: string, options: { json?: boolean }) =>
      setTask(async () => {
        const summary = await show(env, file);
        return say(options.json ? JSON.stringify(summary) : describe(summary));
      }),
    );
  return brand;
}

/** `rozan brand` and its subcommands; returns the exit code. Throws a `ProgramError` for whatever a person can mend. */
export function runBrandCommand(args: readonly string[]): Promise<number> {
  return runCommand(createBrandCommand, args, new AbortController().signal);
}
