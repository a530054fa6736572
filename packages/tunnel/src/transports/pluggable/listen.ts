import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn, Listener, SocketAddress } from '../../network.ts';
import type { TransportListenOptions } from '../../transport.ts';
import { Election } from './election.ts';
import { ExtendedPreamble, type PreambleEnd } from './ext-or-port.ts';
import { MAX_PREAMBLES, PREAMBLE_MS } from './limits.ts';
import { PieceConn } from './piece-conn.ts';
import { type ConnectionCount, ServerProgram } from './server-program.ts';
import type { PluggableSettings } from './settings.ts';

const LOOPBACK: SocketAddress = { host: '127.0.0.1', port: 0 };

/** Connections that came through the executable and are open. */
class OpenConns implements ConnectionCount {
  readonly #conns = new Set<Conn>();
  #onEmpty: (() => void) | null = null;

  get size(): number {
    return this.#conns.size;
  }

  add(conn: Conn): void {
    this.#conns.add(conn);
    conn.once('close', () => {
      this.#conns.delete(conn);
      if (this.#conns.size === 0) this.#onEmpty?.();
    });
  }

  onceEmpty(callback: () => void): void {
    if (this.#conns.size === 0) callback();
    else this.#onEmpty = callback;
  }
}

/**
 * Runs the server executable, or waits for the process that does, and takes the connections that it undresses. Rejects with a
 * `TunnelError` when it cannot be started.
 */
export async function listenPluggable(env: Env, options: TransportListenOptions<PluggableSettings>): Promise<Listener> {
  const { address, settings, onConn } = options;
  const conns = new OpenConns();
  const accept = (raw: Conn, { leftover, remoteAddress }: PreambleEnd) => {
    conns.add(raw);
    onConn(new PieceConn(raw, leftover, remoteAddress));
  };
  await using stack = new AsyncDisposableStack();
  // Workers of a relay share both, since they ask for them in the same order.
  const plain = await env.network.listen(LOOPBACK, (raw) => {
    raw.on('error', () => {});
    accept(raw, { leftover: Buffer.alloc(0), remoteAddress: raw.remoteAddress });
  });
  stack.defer(() => plain.close());
  const extended = await env.network.listen(LOOPBACK, createGate(env, settings, accept));
  stack.defer(() => extended.close());
  const folder = join(tmpdir(), `rozan-pt-${idOf(settings)}`);
  const [plainPort, extendedPort] = [plain.address, extended.address];
  const program = { settings, address, plainPort, extendedPort, folder, connections: conns };
  const election = new Election(env, { folder, startLead: () => ServerProgram.start(env, program) });
  stack.defer(() => election.close());
  const bound = await election.start();
  const running = stack.move();
  return { address: bound, close: () => running.disposeAsync() };
}

/** The same in every process with these settings, and nobody can guess it. */
function idOf({ cookie }: PluggableSettings): string {
  return createHash('sha256').update(`rozan pluggable ${cookie}`).digest('hex').slice(0, 16);
}

/** Takes connections to the extended ORPort through their preamble. Whoever is not the executable is hung up on: it is on this machine. */
function createGate(
  env: Env,
  settings: PluggableSettings,
  accept: (raw: Conn, end: PreambleEnd) => void,
): (raw: Conn) => void {
  const cookie = Buffer.from(settings.cookie, 'base64');
  let waiting = 0;
  return (raw) => {
    raw.on('error', () => {});
    if (waiting >= MAX_PREAMBLES) {
      raw.destroy();
      return;
    }
    waiting += 1;
    const preamble = new ExtendedPreamble(cookie, env.random);
    const stop = () => {
      waiting -= 1;
      cancelTimer();
      raw.pause();
      raw.off('data', onData).off('end', onOver).off('close', onOver);
    };
    const onOver = () => {
      stop();
      raw.destroy();
    };
    const cancelTimer = env.clock.setTimer(PREAMBLE_MS, onOver);
    const onData = (chunk: Buffer) => {
      try {
        const { send, end } = preamble.receive(chunk);
        for (const bytes of send) if (bytes.length > 0) raw.write(bytes);
        if (end === null) return;
        stop();
        accept(raw, end);
      } catch (error) {
        if (!(error instanceof TunnelError)) throw error;
        onOver();
      }
    };
    raw.on('data', onData).on('end', onOver).on('close', onOver);
    raw.write(ExtendedPreamble.greeting);
  };
}
