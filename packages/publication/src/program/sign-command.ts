import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { readKeyFile } from '../key-file.ts';
import type { SigningKey } from '../keys.ts';
import { addSignature, parseDocument } from '../metadata.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import { type Answer, readNamedFile, readPassphrase, type SetTask } from './command-line.ts';
import { describeDocument, shortId } from './describe-document.ts';

interface SignOptions {
  readonly key: string;
  readonly passphraseFile?: string;
  readonly before?: string;
  readonly out?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `rozan sign`: works on a machine that has no network. */
export function createSignCommand(setTask: SetTask): Command {
  const command = new Command('rozan sign')
    .description('Sign a document of the publication with a key of yours. Needs no network.')
    .exitOverride()
    .argument('<file>', 'the document, from the folder of what is pending')
    .requiredOption('--key <file>', 'the file of your key')
    .option('--passphrase-file <file>', 'a file that holds the passphrase of the key')
    .option('--before <file>', 'the document that it takes the place of, to see what changes')
    .option('--out <file>', 'where to put the signed document; in place of the unsigned one if left out')
    .option('--yes', 'sign without asking, once you have read what it says')
    .option('--json', 'as JSON');
  return command.action((file: string, options: SignOptions) => setTask(options.json, () => sign(file, options)));
}

async function sign(file: string, options: SignOptions): Promise<Answer> {
  const { key: keyPath, passphraseFile, before: beforePath, out = file, yes = false, json = false } = options;
  const bytes = await readNamedFile(file);
  const before = beforePath === undefined ? undefined : await readNamedFile(beforePath);
  const words = describeDocument(bytes, before);
  if (!json) process.stdout.write(`This is what you are about to sign:\n\n${words.join('\n')}\n\n`);
  if (!yes) await confirm();
  const key = await readKeyFile(keyPath, await readPassphrase(passphraseFile));
  const signed = addSignature(bytes, key);
  await createFolderStorage(dirname(out)).write(basename(out), signed);
  return answer(signed, { key, out, words });
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new ProgramError(EXIT_CODE.usage, 'nothing was signed: there is nobody to ask', {
      remedy: 'Read what it says above, and say --yes.',
    });
  }
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  const said = await asking.question('Sign it? Type yes: ');
  asking.close();
  if (said.trim() !== 'yes') throw new ProgramError(EXIT_CODE.failure, 'nothing was signed');
}

function answer(
  signed: Buffer,
  { key, out, words }: { key: SigningKey; out: string; words: readonly string[] },
): Answer {
  const { signed: said, signatures } = parseDocument(signed);
  const { _type: type, version, expires } = said;
  return {
    json: {
      file: out,
      type,
      version,
      expires,
      key: key.id,
      signatures: signatures.map(({ keyid }) => keyid),
      says: words,
    },
    text: `Signed by ${shortId(key.id)}; signatures now: ${signatures.length}. It is in ${out}.`,
  };
}
