import { resolve } from 'node:path';
import type { Env } from '@rozan/tunnel';
import { collect } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { type CopyReport, copyPublication } from '../make/copy.ts';
import { acceptSigned } from '../make/pending.ts';
import { draftFiles } from '../make/propose.ts';
import { type PublishReport, publish } from '../make/publish.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { type Answer, readNamedFile, type SetTask } from './command-line.ts';
import { describeWaiting } from './describe-waiting.ts';
import { StateFolder } from './state-folder.ts';

interface PublishCommandOptions {
  readonly state: string;
  readonly to?: string[];
  readonly accept?: string[];
  readonly json?: boolean;
}

/** `rozan publish`: from a folder of state to wherever mirrors get it. */
export function createPublishCommand(setTask: SetTask): Command {
  const command = new Command('rozan publish')
    .description('Publish what is in a folder of state, and copy it to mirrors.')
    .exitOverride()
    .requiredOption('--state <folder>', 'the folder that `rozan keys init` has made')
    .option('--to <place>', 'a folder, or s3://BUCKET/PREFIX?endpoint=URL; repeatable', collect)
    .option('--accept <file>', 'a document that somebody has signed elsewhere; repeatable', collect)
    .option('--json', 'as JSON');
  return command.action((options: PublishCommandOptions) => setTask(options.json, (env) => run(env, options)));
}

async function run(env: Env, { state, to = [], accept = [] }: PublishCommandOptions): Promise<Answer> {
  using folder = await StateFolder.open(state);
  for (const file of accept) await acceptSigned(folder.pending, await readNamedFile(file));
  const content = await folder.content(env);
  const { storage, pending } = folder;
  for (const [role, files] of content.signed) {
    await draftFiles(folder, role, { files, nowMs: env.clock.wallMs() });
  }
  const keys = await folder.onlineKeys();
  const report = await publish(env, { storage, pending, keys, content: content.network });
  const copies = new Map<string, CopyReport>();
  for (const place of to) copies.set(place, await copyTo(folder.storage, place));
  return answer(folder, report, copies);
}

async function copyTo(from: Storage, place: string): Promise<CopyReport> {
  if (!place.startsWith('s3:')) return await copyPublication(from, createFolderStorage(resolve(place)));
  const { createS3Storage, parseS3Url } = await import('../storage/s3-storage.ts');
  using bucket = createS3Storage(parseS3Url(place));
  return await copyPublication(from, bucket);
}

function answer(folder: StateFolder, report: PublishReport, copies: ReadonlyMap<string, CopyReport>): Answer {
  const { version, changed, files, bytes, waiting, expiring } = report;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const lines = [
    changed.length === 0
      ? `Nothing has changed: version ${version} stays.`
      : `Version ${version}: ${changed.length} documents are new; ${files} files, ${Math.ceil(bytes / 1000)} kB were written.`,
    ...[...copies].map(([place, copy]) => `${place}: ${copy.files} files copied, ${copy.removed} removed.`),
    ...describeWaiting(folder, waiting),
    ...expiring
      .slice(0, 1)
      .map(
        ({ role, expiresMs }) =>
          `${role} is the next that people have to sign anew: it is valid until ${day(expiresMs)}.`,
      ),
  ];
  const places = [...copies].map(([place, copy]) => ({ place, ...copy }));
  return { json: { ...report, copies: places }, text: lines.join('\n') };
}
