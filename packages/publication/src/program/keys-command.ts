import { readFile } from 'node:fs/promises';
import type { Env } from '@rozan/tunnel';
import { collect, EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { createKeyFile, readPublicKey } from '../key-file.ts';
import type { PublicKey } from '../keys.ts';
import { readPending } from '../make/pending.ts';
import { draftKeyChange, draftPartner, draftRenewal } from '../make/propose.ts';
import { OFFLINE_ROLES, ONLINE_ROLES } from '../roles.ts';
import { beginPublication } from './begin-publication.ts';
import { type Answer, readPassphrase, type SetTask } from './command-line.ts';
import { shortId } from './describe-document.ts';
import { showKeys } from './show-keys.ts';
import { StateFolder } from './state-folder.ts';

interface StateOptions {
  readonly state: string;
  readonly json?: boolean;
}

interface InitOptions extends StateOptions {
  readonly offline?: string;
  readonly root?: string[];
  readonly targets?: string[];
  readonly releases?: string[];
  readonly passphraseFile?: string;
}

interface NewOptions {
  readonly role: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

interface RotateOptions extends StateOptions {
  readonly role: string;
  readonly add?: string[];
  readonly remove?: string[];
}

interface PartnerOptions extends StateOptions {
  readonly key: string;
}

const onlineRoles: readonly string[] = ONLINE_ROLES;

/** `rozan keys` and its subcommands. */
export function createKeysCommand(setTask: SetTask): Command {
  const keys = new Command('rozan keys').description('The keys that a publication rests on.').exitOverride();
  const state = ['--state <folder>', 'the folder of those who publish'] as const;
  const json = ['--json', 'as JSON'] as const;
  const passphrase = ['--passphrase-file <file>', 'seal the keys by the passphrase in this file'] as const;
  keys
    .command('new <file>')
    .description('draw a key on a machine of its own; what is in FILE.pub goes to those who publish')
    .requiredOption('--role <name>', 'what it is for: root, targets, releases, or a name of yours')
    .option(...passphrase)
    .option(...json)
    .action((file: string, options: NewOptions) => setTask(options.json, (env) => create(env, file, options)));
  keys
    .command('init')
    .description('begin a publication')
    .requiredOption(...state)
    .option(
      '--offline <folder>',
      'draw all keys of root, targets and releases here, and sign: for a network of one person',
    )
    .option('--root <key>', 'a public key of root, as a .pub file; repeat it for each holder', collect)
    .option('--targets <key>', 'the same for targets', collect)
    .option('--releases <key>', 'the same for releases', collect)
    .option(...passphrase)
    .option(...json)
    .action((options: InitOptions) => setTask(options.json, (env) => init(env, options)));
  keys
    .command('rotate')
    .description('draft other keys for a role, or later dates for the keys that there are')
    .requiredOption(...state)
    .requiredOption('--role <name>', 'root, targets, releases, network, snapshot, timestamp, partner-NAME')
    .option('--add <key>', 'a public key, as a .pub file; repeatable', collect)
    .option('--remove <key>', 'a key that is lost or stolen: its id, or a .pub file; repeatable', collect)
    .option(...json)
    .action((options: RotateOptions) => setTask(options.json, (env) => rotate(env, options)));
  keys
    .command('partner <name>')
    .description('draft that a partner signs what lies under partners/NAME')
    .requiredOption(...state)
    .requiredOption('--key <key>', "the partner's public key, as a .pub file")
    .option(...json)
    .action((name: string, options: PartnerOptions) => setTask(options.json, (env) => addPartner(env, name, options)));
  keys
    .command('show')
    .description('show who signs what, until when, and what waits for signatures')
    .requiredOption(...state)
    .option(...json)
    .action((options: StateOptions) => setTask(options.json, (env) => show(env, options)));
  return keys;
}

async function create(env: Env, file: string, { role, passphraseFile }: NewOptions): Promise<Answer> {
  const key = await createKeyFile(env.random, file, { role, passphrase: await readPassphrase(passphraseFile) });
  return {
    json: { id: key.id, public: key.bytes.toString('hex'), file, publicFile: `${file}.pub` },
    text: `Key ${shortId(key.id)}. Keep ${file} where no network is; hand out ${file}.pub.`,
  };
}

async function init(env: Env, options: InitOptions): Promise<Answer> {
  const given = await Promise.all(
    OFFLINE_ROLES.map(async (role) => [role, await Promise.all((options[role] ?? []).map(readPublicKey))] as const),
  );
  const isGiven = given.some(([, list]) => list.length > 0);
  if (isGiven === (options.offline !== undefined)) {
    throw new ProgramError(EXIT_CODE.usage, 'whose keys are root, targets and releases to have?', {
      remedy: 'Name public keys with --root, --targets and --releases, or a folder for new ones with --offline.',
    });
  }
  const missing = given.find(([, list]) => isGiven && list.length < 2)?.[0];
  if (missing !== undefined) {
    throw new ProgramError(EXIT_CODE.usage, `${missing} has to have two keys at least`, {
      remedy: `Three holders are usual: name a key of each with --${missing}. Two of them have to sign.`,
    });
  }
  using folder = await StateFolder.open(options.state);
  const { offline, passphraseFile } = options;
  const keys = await beginPublication(
    env,
    folder,
    offline === undefined
      ? { given: Object.fromEntries(given) }
      : { folder: offline, passphrase: await readPassphrase(passphraseFile) },
  );
  const waiting = [...(await readPending(folder.pending)).keys()];
  const next =
    options.offline === undefined
      ? `Drafts wait for signatures in ${folder.pendingPath('')}: two holders of each role run \`rozan sign FILE --key KEY\`.`
      : `All is signed. Move ${options.offline} to where no network is, with a copy elsewhere; \`rozan publish\` does not need it.`;
  const ids = Object.fromEntries(
    Object.entries(keys).map(([role, list]) => [role, list.map(({ id }: PublicKey) => id)]),
  );
  return {
    json: { state: options.state, keys: ids, drafts: waiting },
    text: `A publication begins in ${options.state}.\n${next}`,
  };
}

async function rotate(env: Env, options: RotateOptions): Promise<Answer> {
  const { role, add = [], remove = [] } = options;
  using folder = await StateFolder.open(options.state);
  const nowMs = env.clock.wallMs();
  const added = await Promise.all(add.map(readPublicKey));
  const removed = await Promise.all(remove.map(keyId));
  if (added.length + removed.length === 0 && !onlineRoles.includes(role)) {
    await draftRenewal(folder, role, nowMs);
  } else {
    // The publishing machine's own keys are drawn here, in place of those that it has.
    const isOwn = onlineRoles.includes(role) && added.length === 0;
    const change = isOwn
      ? { role, add: [await folder.drawOnlineKey(env, role)], remove: await currentIds(folder, role) }
      : { role, add: added, remove: removed };
    await draftKeyChange(folder, change, nowMs);
  }
  return await drafted(folder);
}

async function currentIds(folder: StateFolder, role: string): Promise<string[]> {
  return (await showKeys(folder, 0)).roles.find((one) => one.role === role)?.keys.map(({ id }) => id) ?? [];
}

async function addPartner(env: Env, name: string, { state, key }: PartnerOptions): Promise<Answer> {
  using folder = await StateFolder.open(state);
  await draftPartner(folder, { name, key: await readPublicKey(key) }, env.clock.wallMs());
  return await drafted(folder);
}

async function drafted(folder: StateFolder): Promise<Answer> {
  const files = [...(await readPending(folder.pending))].map(([role, { signed }]) => ({
    role,
    version: signed.version,
    file: folder.pendingPath(`${signed.version}.${role}.json`),
  }));
  const lines = files.map(({ role, version, file }) => `${role}, version ${version}: ${file}`);
  return {
    json: { drafts: files },
    text: ['To be signed, each with `rozan sign FILE --key KEY`, and then published:', ...lines].join('\n'),
  };
}

async function show(env: Env, { state }: StateOptions): Promise<Answer> {
  using folder = await StateFolder.open(state);
  const shown = await showKeys(folder, env.clock.wallMs());
  return { json: shown, text: shown.lines.join('\n') };
}

/** An id, or the file of a public key. */
async function keyId(text: string): Promise<string> {
  const isFile = await readFile(text).then(
    () => true,
    () => false,
  );
  return isFile ? (await readPublicKey(text)).id : text.replaceAll(' ', '');
}
