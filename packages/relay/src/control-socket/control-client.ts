import { type CancelTimer, type Conn, type Env, TunnelError } from '@rozan/tunnel';
import { RelayError } from '../data-folder/relay-error.ts';
import { LOCAL_BOUNDS } from '../limits/constants.ts';
import { LineReader } from './line-reader.ts';
import { type ControlReply, type ControlResult, formatLine, parseReply } from './messages.ts';
import { findSocketPath } from './socket-path.ts';

/** What `callControl` is to do. */
export interface ControlCall {
  /** The folder of the relay that is to do it. */
  readonly folder: string;
  readonly command: string;
}

type ControlEnv = Pick<Env, 'network' | 'clock'>;

function notRunning(cause?: unknown): RelayError {
  const remedy = 'start it with "rozan relay --data DIR", or name the folder that it runs on';
  return new RelayError('not-running', 'no relay runs on this folder', { cause, remedy });
}

async function dialRelay(env: ControlEnv, folder: string): Promise<Conn> {
  const path = await findSocketPath(folder);
  try {
    return await env.network.dialLocal(path);
  } catch (error) {
    throw error instanceof TunnelError ? notRunning(error) : error;
  }
}

/** The first line that comes. */
function readReply(env: ControlEnv, conn: Conn): Promise<ControlReply> {
  const reader = new LineReader(LOCAL_BOUNDS.controlReplyBytes);
  let cancelTimer: CancelTimer = () => undefined;
  const reply = new Promise<ControlReply>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      try {
        const [line] = reader.receive(chunk);
        if (line !== undefined) resolve(parseReply(line));
      } catch (error) {
        reject(error);
      }
    };
    const onOver = (): void =>
      reject(new RelayError('control-failed', 'the relay ended the connection without an answer'));
    cancelTimer = env.clock.setTimer(LOCAL_BOUNDS.controlIdleMs, () => {
      reject(new RelayError('control-failed', 'the relay did not answer in time'));
    });
    conn.on('data', onData);
    conn.on('end', onOver);
    conn.on('error', onOver);
    conn.on('close', onOver);
  });
  return reply.finally(() => cancelTimer());
}

/**
 * Asks the relay that runs on a folder to do something, and gives back its result.
 * Throws a `RelayError`: `not-running`, `folder-not-private`, `control-malformed`, `control-failed`.
 */
export async function callControl(env: ControlEnv, { folder, command }: ControlCall): Promise<ControlResult> {
  const conn = await dialRelay(env, folder);
  try {
    const reply = readReply(env, conn);
    conn.write(formatLine({ command }));
    const answer = await reply;
    if (answer.ok) return answer.result;
    throw new RelayError('control-failed', `the relay said: ${answer.error}`);
  } finally {
    conn.destroy();
  }
}
