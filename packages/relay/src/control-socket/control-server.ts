import type { Conn, Env } from '@rozan/tunnel';
import { RelayError } from '../data-folder/relay-error.ts';
import { LOCAL_BOUNDS } from '../limits/constants.ts';
import { LineReader } from './line-reader.ts';
import { type ControlReply, type ControlResult, formatLine, parseRequest } from './messages.ts';
import { claimSocketPath, type SocketPathOptions } from './socket-path.ts';

/** Does what a command says. What it throws is told to the peer as "failed", without its text. */
export type ControlCommand = () => ControlResult | Promise<ControlResult>;

/** What `serveControl` needs. */
export interface ControlServerOptions extends SocketPathOptions {
  /** The relay's folder, which this process has locked. */
  readonly folder: string;
  /** The commands by name, such as `drain` and `status`. */
  readonly commands: { readonly [name: string]: ControlCommand };
}

/** A control socket in service. */
export interface ControlServer extends AsyncDisposable {
  readonly path: string;
  /** Stops service and removes the socket. Calling it again does nothing. */
  close(): Promise<void>;
}

type ControlEnv = Pick<Env, 'network' | 'clock' | 'random' | 'log'>;

class ControlConn {
  readonly #conn: Conn;
  readonly #env: ControlEnv;
  readonly #commands: ControlServerOptions['commands'];
  readonly #reader = new LineReader(LOCAL_BOUNDS.controlLineBytes);
  /** Requests are answered in turn. */
  #work: Promise<void> = Promise.resolve();

  constructor(env: ControlEnv, conn: Conn, commands: ControlServerOptions['commands']) {
    this.#env = env;
    this.#conn = conn;
    this.#commands = commands;
    conn.on('data', (chunk: Buffer) => this.#receive(chunk));
    conn.on('end', () => this.#inTurn(async () => void conn.end()));
  }

  #receive(chunk: Buffer): void {
    try {
      for (const line of this.#reader.receive(chunk)) this.#inTurn(() => this.#answer(line));
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      this.#conn.destroy();
    }
  }

  #inTurn(task: () => Promise<void>): void {
    this.#work = this.#work.then(task).catch(() => void this.#conn.destroy());
  }

  async #answer(line: string): Promise<void> {
    const reply = await this.#replyTo(line);
    if (!this.#conn.destroyed) this.#conn.write(formatLine(reply));
  }

  async #replyTo(line: string): Promise<ControlReply> {
    try {
      const name = parseRequest(line);
      const command = Object.hasOwn(this.#commands, name) ? this.#commands[name] : undefined;
      if (command === undefined) return { ok: false, error: 'unknown command' };
      return { ok: true, result: await command() };
    } catch (error) {
      if (error instanceof RelayError && error.code === 'control-malformed') return { ok: false, error: error.message };
      this.#env.log({ event: 'control.failed' });
      return { ok: false, error: 'the command failed' };
    }
  }
}

/**
 * Serves commands of this machine's user on a local socket (mode 0600) in the relay's folder.
 * Rejects with a `TunnelError` if it cannot listen.
 */
export async function serveControl(env: ControlEnv, options: ControlServerOptions): Promise<ControlServer> {
  const { folder, commands } = options;
  const conns = new Set<Conn>();
  const onConn = (conn: Conn): void => {
    conn.on('error', () => conn.destroy());
    if (conns.size >= LOCAL_BOUNDS.controlConns) {
      conn.destroy();
      return;
    }
    conns.add(conn);
    const cancelTimer = env.clock.setTimer(LOCAL_BOUNDS.controlIdleMs, () => conn.destroy());
    conn.once('close', () => {
      cancelTimer();
      conns.delete(conn);
    });
    new ControlConn(env, conn, commands);
  };
  const claimed = await claimSocketPath(env.random, folder, options);
  const listener = await env.network.listenLocal(claimed.path, onConn).catch(async (error: unknown) => {
    await claimed.release();
    throw error;
  });
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closing ??= closeAll();
    return closing;
  };
  const closeAll = async (): Promise<void> => {
    await listener.close();
    for (const conn of conns) conn.destroy();
    await claimed.release();
  };
  return { path: claimed.path, close, [Symbol.asyncDispose]: close };
}
