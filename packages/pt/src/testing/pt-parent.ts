// A parent of pluggable transports, as tor is one: small, and written from the specification alone, so that it shares nothing with ours.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Generous: executables that are scripts take their time on a busy machine. */
const READY_MS = 60_000;

/** An executable that runs, and what it has said. */
export interface RunningPt extends AsyncDisposable {
  readonly pid: number;
  readonly lines: readonly string[];
  /** The words behind `CMETHOD NAME` or `SMETHOD NAME`. */
  words(method: string): readonly string[];
  /** Closes its standard input, which it has to end by. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts an executable with variables of one side and waits until it has reported. */
export async function startPt(command: readonly string[], variables: Record<string, string>): Promise<RunningPt> {
  const state = await mkdtemp(join(tmpdir(), 'rozan-pt-test-'));
  const [file = '', ...args] = command;
  const child: ChildProcessWithoutNullStreams = spawn(file, args, {
    env: {
      ...process.env,
      TOR_PT_MANAGED_TRANSPORT_VER: '1',
      TOR_PT_STATE_LOCATION: state,
      TOR_PT_EXIT_ON_STDIN_CLOSE: '1',
      ...variables,
    },
  });
  child.stderr.resume();
  const exit = once(child, 'exit');
  const lines: string[] = [];
  const timer = setTimeout(() => child.kill('SIGKILL'), READY_MS);
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (/^[CS]METHODS DONE$/.test(line)) resolve();
    });
    exit.then(() => reject(new Error(`it ended: ${lines.join(' | ')}`)), reject);
  });
  const stop = async () => {
    child.stdin.end();
    await exit;
    await rm(state, { recursive: true, force: true });
  };
  try {
    await ready;
  } catch (error) {
    await rm(state, { recursive: true, force: true });
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const words = (method: string) => {
    const line = lines.find((each) => each.split(' ')[1] === method && /^[CS]METHOD /.test(each));
    if (line === undefined) throw new Error(`no ${method} in: ${lines.join(' | ')}`);
    return line.split(' ').slice(2);
  };
  return { pid: child.pid ?? 0, lines, words, [Symbol.asyncDispose]: stop };
}

/** A port that gives back what it gets, as if it were a relay of tor's. */
export async function startEcho(): Promise<{ readonly text: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no port');
  return {
    text: `127.0.0.1:${bound.port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** Connects through a client executable to a bridge, whose arguments are given as they stand in its SMETHOD line. */
export async function connectThrough(socksAddress: string, bridge: string, argsText: string): Promise<Socket> {
  const socket = connect(portOf(socksAddress), '127.0.0.1');
  socket.on('error', () => {});
  const take = async (count: number): Promise<Buffer> => {
    for (;;) {
      const bytes: Buffer | null = socket.read(count);
      if (bytes?.length === count) return bytes;
      await once(socket, 'readable', { signal: AbortSignal.timeout(READY_MS) });
      if (socket.readableEnded) throw new Error('it hung up');
    }
  };
  const args = argsText.replace(/^ARGS:/, '').replaceAll(',', ';');
  const [user, password] = [args.slice(0, 255), args.slice(255) || '\0'];
  socket.write(Buffer.from([5, 1, 2]));
  if ((await take(2))[1] !== 2) throw new Error('it does not take arguments');
  const field = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
  socket.write(Buffer.concat([Buffer.from([1]), field(user), field(password)]));
  if ((await take(2))[1] !== 0) throw new Error('it refuses the arguments');
  const port = portOf(bridge);
  socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]));
  const reply = (await take(10))[1];
  if (reply === 0) return socket;
  socket.destroy();
  throw new Error(`it answers ${reply}`);
}
