import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROZAN = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');

/** How `rozan` has ended, and what it has said. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with beside its arguments. */
type StartOptions = Pick<SpawnOptions, 'env' | 'uid' | 'gid' | 'cwd'>;

function start(args: readonly string[], options: StartOptions): ChildProcess {
  const { env, ...rest } = options;
  return spawn(process.execPath, [ROZAN, ...args], {
    ...rest,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs `rozan` to its end. */
export async function runRozan(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  const child = start(args, options);
  const said = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, ...said };
}

/** A control plane as a program of its own. */
export interface ControlProgram extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly ready: { readonly [member: string]: unknown };
  /** Of its own postmaster; null if it uses a database of somebody else's. */
  postmaster(): Promise<number | null>;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Asks its API; the status and the reply. Rejects when nobody answers. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; json: unknown }>;
}

async function readyLine(child: ChildProcess): Promise<{ [member: string]: unknown }> {
  if (child.stdout === null || child.stderr === null) throw new Error('no output');
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === 'ready') return event;
  }
  throw new Error(`the program has ended: ${stderr}`);
}

/** Starts `rozan control` on a folder. `args`: what it is told beside. */
export async function startControl(
  data: string,
  { args = [], ...options }: StartOptions & { readonly args?: readonly string[] } = {},
): Promise<ControlProgram> {
  const child = start(['control', '--data', data, '--listen', '127.0.0.1:0', '--json', ...args], options);
  const exited = once(child, 'exit');
  const ready = await readyLine(child);
  child.stdout?.resume();
  const url = `http://${ready.listen}`;
  const token = (await readFile(join(data, 'token'), 'utf8')).trim();
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  return {
    url,
    token,
    ready,
    kill,
    postmaster: async () => {
      const text = await readFile(join(data, 'postgres', 'db', 'postmaster.pid'), 'utf8').catch(() => '');
      return text === '' ? null : Number(text.split('\n', 1)[0]);
    },
    call: async (method, path, body) => {
      const headers = {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const reply = await fetch(`${url}${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: reply.status, json: await reply.json() };
    },
    [Symbol.asyncDispose]: () =>
      child.exitCode === null && child.signalCode === null ? kill('SIGTERM') : Promise.resolve(),
  };
}
