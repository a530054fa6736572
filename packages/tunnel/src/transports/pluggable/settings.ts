import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { createEnv } from '../../real-env.ts';
import { checkArguments, formatArguments, type PluggableArguments } from './arguments.ts';
import { parseCommandWords } from './command.ts';
import { COOKIE_BYTES } from './ext-or-port.ts';
import { MAX_COMMAND_WORDS } from './limits.ts';
import { ManagedProcess } from './managed-process.ts';
import { checkMethod, type PluggableParams, readObject } from './params.ts';
import { checkStateFiles, readStateFiles, type StateFiles } from './state-files.ts';

/** What a listener has to know. */
export interface PluggableSettings {
  /** The server executable and its arguments. */
  readonly command: readonly string[];
  readonly method: string;
  /** What the operator chose of the method. */
  readonly choices: PluggableArguments;
  /** What the executable says that clients have to know. */
  readonly args: PluggableArguments;
  /** What it kept when it first ran, its keys among it. */
  readonly state: StateFiles;
  /** By this an executable shows that we have started it: 32 bytes in base64. */
  readonly cookie: string;
}

/** What an operator may choose. */
export const PLUGGABLE_OPTIONS = {
  exec: 'PATH of the server executable, with its arguments behind it',
  method: 'NAME, such as obfs4',
  'opt-NAME': 'VALUE of an option NAME of the method, such as opt-iat-mode=1',
} as const;

const CHOICE = 'opt-';

interface Choices {
  readonly command: readonly string[];
  readonly method: string;
  readonly choices: PluggableArguments;
}

function readChoices(options: Readonly<Record<string, string>>): Choices {
  const { exec, method, ...others } = options;
  const choices: [string, string][] = [];
  for (const [name, value] of Object.entries(others)) {
    if (!name.startsWith(CHOICE)) throw new TunnelError('bad-params', `there is no option named ${name}`);
    choices.push([name.slice(CHOICE.length), value]);
  }
  if (exec === undefined) throw new TunnelError('bad-params', 'exec=PATH is missing');
  if (method === undefined) throw new TunnelError('bad-params', 'method=NAME is missing');
  return {
    command: parseCommandWords(exec),
    method: checkMethod(method),
    choices: checkArguments(Object.fromEntries(choices)),
  };
}

/** The variables that tell a server executable what the operator chose. */
export function choiceVariables({ method, choices }: Pick<Choices, 'method' | 'choices'>): Record<string, string> {
  const names = Object.keys(choices);
  if (names.length === 0) return {};
  const pairs = names.map((name) => `${method}:${formatArguments({ [name]: choices[name] ?? '' }, ';')}`);
  return { TOR_PT_SERVER_TRANSPORT_OPTIONS: pairs.join(';') };
}

/**
 * Runs the executable once, at a free port of this machine alone, to learn what clients have to know; what it keeps is kept with it, so
 * that it says the same ever after. Rejects with a `TunnelError`: `bad-params` for options that are none, else what went wrong with it.
 */
export async function createPluggableSettings(
  random: Random,
  options: Readonly<Record<string, string>>,
): Promise<PluggableSettings> {
  const chosen = readChoices(options);
  const { command, method } = chosen;
  const env = createEnv({ log: () => {} });
  const stateFolder = await mkdtemp(join(tmpdir(), 'rozan-pt-'));
  try {
    const variables = {
      TOR_PT_SERVER_TRANSPORTS: method,
      TOR_PT_SERVER_BINDADDR: `${method}-127.0.0.1:0`,
      // Nobody connects.
      TOR_PT_ORPORT: '127.0.0.1:9',
      ...choiceVariables(chosen),
    };
    const running = await ManagedProcess.start(env, { command, method, stateFolder, variables });
    await running.stop();
    const state = await readStateFiles(stateFolder);
    const { args } = running.method;
    return { ...chosen, args: checkArguments(args), state, cookie: random.bytes(COOKIE_BYTES).toString('base64') };
  } finally {
    await rm(stateFolder, { recursive: true, force: true });
  }
}

/** Checks settings that were stored; keys of later versions are ignored. Throws a `TunnelError` (`bad-params`). */
export function parsePluggableSettings(input: unknown): PluggableSettings {
  const { command, method, choices, args, state, cookie } = readObject(input);
  if (typeof cookie !== 'string' || Buffer.from(cookie, 'base64').length !== COOKIE_BYTES) {
    throw new TunnelError('bad-params', 'the cookie is not of its form');
  }
  return Object.freeze({
    command: checkCommand(command),
    method: checkMethod(method),
    choices: checkArguments(choices ?? {}),
    args: checkArguments(args ?? {}),
    state: checkStateFiles(state ?? {}),
    cookie,
  });
}

function checkCommand(input: unknown): readonly string[] {
  if (!Array.isArray(input) || input.length === 0 || input.length > MAX_COMMAND_WORDS) throw badCommand();
  return input.map((word: unknown) => {
    if (typeof word !== 'string' || word === '' || word.includes('\0')) throw badCommand();
    return word;
  });
}

function badCommand(): TunnelError {
  return new TunnelError('bad-params', 'the command of the executable is not of its form');
}

/** What clients have to know. */
export function paramsOfPluggable({ method, args }: PluggableSettings): PluggableParams {
  return Object.freeze({ method, args });
}
