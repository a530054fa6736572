import { execFile } from 'node:child_process';
import { addAbortSignal } from 'node:stream';
import { promisify } from 'node:util';
import { type Env, parseAddress } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { ClientFolder } from '../data-folder.ts';
import { APP_ANSWER_MS, APP_OPEN_MS, MAX_APP_ANSWER_CHARS } from './limits.ts';

/** As the client itself writes it; whatever else is in the file is not for a browser. */
const APP_URL = /^http:\/\/((?:127\.0\.0\.1|localhost|\[::1\]):\d{1,5})\/(?:\?lang=[a-z]{2})?#code=[\w-]{1,100}$/;

/** The programs that open a file as the person's desktop does, by platform. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, (path: string) => readonly [string, ...string[]]>>> = {
  darwin: (path) => ['open', path],
  win32: (path) => ['rundll32', 'url.dll,FileProtocolHandler', path],
};
const openerOf = (path: string) => OPENERS[process.platform]?.(path) ?? (['xdg-open', path] as const);

/** A page that leads to the app. The arguments of a program can be read by everybody on the machine, and the URL has a code in it. */
function pageFor(url: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=${url}">
<title>Rozan</title>
<p><a href="${url}">Open Rozan</a></p>
</html>
`;
}

/** Whether it is a client that answers there: a client that was killed leaves its URL, and another program may have its port. */
async function isApp(env: Env, host: string): Promise<boolean> {
  const patience = AbortSignal.timeout(APP_ANSWER_MS);
  const conn = await env.network.dial(parseAddress(host), { signal: patience });
  try {
    conn.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of addAbortSignal(patience, conn)) {
      answer += String(chunk);
      if (answer.includes('<title>Rozan</title>')) return true;
      if (answer.length > MAX_APP_ANSWER_CHARS) return false;
    }
    return false;
  } finally {
    conn.destroy();
  }
}

/** The URL of the app of the client that runs on a folder; null where none does. */
export async function findApp(env: Env, folder: ClientFolder): Promise<string | null> {
  const url = ((await folder.appLink.read()) ?? '').trim();
  const [, host] = APP_URL.exec(url) ?? [];
  if (host === undefined) return null;
  return (await isApp(env, host).catch(() => false)) ? url : null;
}

/** Opens a URL of the app in the person's browser, by a file that only they can read. Throws a `ProgramError`. */
export async function openApp(folder: ClientFolder, url: string): Promise<void> {
  const path = await folder.storeAppPage(pageFor(url));
  const [program, ...args] = openerOf(path);
  await promisify(execFile)(program, args, { timeout: APP_OPEN_MS }).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.failure, 'no browser could be opened', {
      cause,
      remedy: 'Open the app yourself: rozan app --print shows its address, which is good once and for a minute.',
    });
  });
}
