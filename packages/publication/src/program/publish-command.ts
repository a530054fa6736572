import type { Env } from '@rozan/tunnel';
import { collect } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { PublicationError } from '../errors.ts';
import { acceptSigned } from '../make/pending.ts';
import { type Answer, readNamedFile, type SetTask } from './command-line.ts';
import { describeWaiting } from './describe-waiting.ts';
import { type FolderReport, publishFolder } from './publish-folder.ts';
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
  if (await folder.isManaged()) return managed(accept);
  return answer(folder, await publishFolder(env, folder, { to }));
}

/** The control plane looks every minute (control/src/limits.ts). */
function managed(accepted: readonly string[]): Answer {
  if (accepted.length === 0) {
    throw new PublicationError('conflict', 'a control plane publishes this folder, with lists that are not in it', {
      remedy: 'Leave it to the control plane: it looks for changes every minute.',
    });
  }
  const text = `Accepted: ${accepted.length}. The control plane publishes what is complete within a minute.`;
  return { json: { accepted: accepted.length, isManaged: true }, text };
}

function answer(folder: StateFolder, { copies, ...report }: FolderReport): Answer {
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
