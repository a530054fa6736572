import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Origin, startSite } from './origin.ts';
import { runTool } from './tools.ts';

/** Where git keeps the program that serves repositories over HTTP; null where it has none. */
export async function findHttpBackend(): Promise<string | null> {
  const { out } = await runTool('git', ['--exec-path']);
  const path = join(out.toString().trim(), 'git-http-backend');
  return existsSync(path) ? path : null;
}

/** Splits the answer of a CGI program (RFC 3875 §6) into its head and the first bytes of its body; null while the head is incomplete. */
function splitHead(bytes: Buffer): { status: number; fields: [string, string][]; body: Buffer } | null {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const fields = bytes
    .toString('latin1', 0, end)
    .split('\r\n')
    .map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
  const status = Number(fields.find(([name]) => name.toLowerCase() === 'status')?.[1].slice(0, 3) ?? 200);
  return { status, fields: fields.filter(([name]) => name.toLowerCase() !== 'status'), body: bytes.subarray(end + 4) };
}

function serve(backend: string, root: string, { request, response }: Exchange): void {
  const { pathname, search } = new URL(request.url ?? '/', 'http://git.test');
  const { headers } = request;
  const child = spawn(backend, {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
      PATH_INFO: decodeURIComponent(pathname),
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers['content-type'],
      CONTENT_LENGTH: headers['content-length'],
      HTTP_CONTENT_ENCODING: headers['content-encoding'],
    },
  });
  child.stdin.on('error', () => {});
  request.pipe(child.stdin);
  let head: Buffer | null = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    if (head === null) {
      if (!response.write(chunk)) {
        child.stdout.pause();
        response.once('drain', () => child.stdout.resume());
      }
      return;
    }
    head = Buffer.concat([head, chunk]);
    const answer = splitHead(head);
    if (answer === null) return;
    head = null;
    response.writeHead(answer.status, answer.fields);
    response.write(answer.body);
  });
  child.stdout.on('end', () => response.end());
  response.on('close', () => child.kill());
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Serves the repositories in the folder `root` over git's smart HTTP. */
export function startGitServer(backend: string, root: string): Promise<Origin> {
  return startSite((request, response) => serve(backend, root, { request, response }));
}
