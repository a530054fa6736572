import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const TOOL_MS = 90_000;
/** Beyond this curl gives up by itself. */
const CURL_SECONDS = '60';

/** How a tool has ended. */
export interface ToolResult {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** What `runTool` may be told. */
export interface ToolOptions {
  readonly input?: Buffer | string;
  readonly env?: { readonly [name: string]: string };
  readonly cwd?: string;
  /** Called when the tool has written something to standard output. */
  readonly onFirstBytes?: () => void;
}

/** Where a command is, in the search path or where services lie; null if nowhere. */
export function findCommand(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const folder = folders.find((path) => path !== '' && existsSync(join(path, name)));
  return folder === undefined ? null : join(folder, name);
}

/** The option that skips a test where one of the commands is missing. */
export function needs(...commands: string[]): { readonly skip?: string } {
  const missing = commands.filter((name) => findCommand(name) === null);
  return missing.length === 0 ? {} : { skip: `not on this machine: ${missing.join(', ')}` };
}

/** Runs a tool to its end, without any proxy from the environment. It is killed when it takes too long. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const env = { PATH: process.env.PATH ?? '', HOME: options.cwd ?? '/nonexistent', LC_ALL: 'C', ...options.env };
  const child = spawn(command, args, { env, cwd: options.cwd, timeout: TOOL_MS, killSignal: 'SIGKILL' });
  const out: Buffer[] = [];
  let err = '';
  child.stdout.once('data', () => options.onFirstBytes?.());
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { code, out: Buffer.concat(out), err };
}

/** Runs curl with a limit on its time. */
export function curl(args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return runTool('curl', ['-sS', '--noproxy', '', '--max-time', CURL_SECONDS, ...args], options);
}

/** In hexadecimal. */
export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
