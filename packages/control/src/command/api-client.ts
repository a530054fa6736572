import { request as requestHttp } from 'node:http';
import { type Conn, type Env, TunnelError } from '@rozan/tunnel';
import { z } from 'zod';
import { ControlError } from '../control-error.ts';
import { openLocalAccess } from '../control-folder.ts';

const MAX_REPLY_BYTES = 64 * 1024 * 1024;

const problemSchema = z.object({ error: z.string(), message: z.string() });

/** A request to the API. */
export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** What is sent as JSON; undefined for nothing. */
  readonly body?: unknown;
}

function notRunning(folder: string, cause?: unknown): ControlError {
  return new ControlError('not-running', `no control plane runs on ${folder}`, {
    cause,
    remedy: 'Start one with "rozan control --data DIR", or name the folder of the one that runs with --data DIR.',
  });
}

/** Sends a request over a connection; gives the status and the text of the reply. */
async function exchange(conn: Conn, request: ApiRequest, token: string): Promise<{ status: number; text: string }> {
  const { method, path, body } = request;
  const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const outgoing = requestHttp({
    createConnection: () => conn,
    host: 'localhost',
    method,
    path,
    headers: {
      authorization: `Bearer ${token}`,
      ...(bytes === null ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
    },
  });
  outgoing.on('error', reject);
  outgoing.on('response', (response) => {
    const parts: Buffer[] = [];
    let count = 0;
    response.on('data', (part: Buffer) => {
      count += part.length;
      if (count > MAX_REPLY_BYTES) outgoing.destroy(new Error('the reply is too long'));
      else parts.push(part);
    });
    response.on('error', reject);
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
    );
  });
  outgoing.end(bytes ?? undefined);
  return promise;
}

/**
 * Asks the control plane that runs on a data folder of this machine, as its local operator. Gives the reply's JSON. Throws a `ControlError`
 * (`not-running`, `refused`) and a `FolderError`.
 */
export async function askControl(env: Env, folder: string, request: ApiRequest): Promise<unknown> {
  await using stack = new AsyncDisposableStack();
  const access = await openLocalAccess(folder);
  if (access === null) throw notRunning(folder);
  stack.use(access);
  const conn = await env.network.dialLocal(access.socketPath).catch((cause: unknown) => {
    throw cause instanceof TunnelError ? notRunning(folder, cause) : cause;
  });
  stack.defer(() => void conn.destroy());
  const { status, text } = await exchange(conn, request, access.token);
  const json: unknown = JSON.parse(text);
  if (status < 400) return json;
  const problem = problemSchema.safeParse(json);
  throw new ControlError('refused', problem.data?.message ?? `the control plane answered with status ${status}`);
}
