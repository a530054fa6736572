import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatAddress } from '../../address.ts';
import type { CancelTimer, Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { SocketAddress } from '../../network.ts';
import { backoffMs, sleep } from '../../session/backoff.ts';
import { formatArguments } from './arguments.ts';
import type { Lead } from './election.ts';
import { cookieFile } from './ext-or-port.ts';
import { CLOSING_POLL_MS, FLUSH_MS, MAX_CLOSING_POLLS, RESTART_BACKOFF, SETTLED_MS } from './limits.ts';
import { ManagedProcess } from './managed-process.ts';
import { choiceVariables, type PluggableSettings } from './settings.ts';
import { writeStateFiles } from './state-files.ts';

/** What a server executable is run with. */
export interface ServerProgramOptions {
  readonly settings: PluggableSettings;
  /** Where clients are to reach it. */
  readonly address: SocketAddress;
  /** Where it takes them, as it is and with the preamble of the extended ORPort. */
  readonly plainPort: SocketAddress;
  readonly extendedPort: SocketAddress;
  readonly folder: string;
  /** Connections of this process that came through it. */
  readonly connections: ConnectionCount;
}

/** Connections that are open. */
export interface ConnectionCount {
  readonly size: number;
  /** Called, once, when there is none any more. */
  onceEmpty(callback: () => void): void;
}

/** A server executable that is started again, after a while, when it dies. */
export class ServerProgram implements Lead {
  readonly #env: Env;
  readonly #options: ServerProgramOptions;
  #address: SocketAddress;
  #running: ManagedProcess;
  #startMs: number;
  #failures = 0;
  #isClosed = false;
  #cancelRestart: CancelTimer = () => {};

  private constructor(env: Env, options: ServerProgramOptions, running: ManagedProcess) {
    this.#env = env;
    this.#options = options;
    this.#running = running;
    this.#address = running.method.address;
    this.#startMs = env.clock.monotonicMs();
    this.#watch();
  }

  /** Starts it. Rejects with a `TunnelError` when it cannot be started, or says something else to clients than it did. */
  static async start(env: Env, options: ServerProgramOptions): Promise<ServerProgram> {
    return new ServerProgram(env, options, await run(env, options));
  }

  get address(): SocketAddress {
    return this.#address;
  }

  /** Stops listening. The executable ends when the connections through it have; at once when there are none. */
  async close(hasFollowers: boolean): Promise<void> {
    this.#isClosed = true;
    this.#cancelRestart();
    const running = this.#running;
    const { connections } = this.#options;
    if (connections.size === 0 && !hasFollowers) {
      await running.stop();
      return;
    }
    running.finish();
    // It may still hold the last bytes of the last one; those in Go end by themselves when they are gone.
    const stop = () => void running.stop();
    if (!hasFollowers) connections.onceEmpty(() => void this.#env.clock.setTimer(FLUSH_MS, stop));
    await this.#untilDeaf();
  }

  /** The executable takes a moment to act on the signal, and nobody is to get in during it. */
  async #untilDeaf(): Promise<void> {
    const never = new AbortController().signal;
    for (let polls = 0; polls < MAX_CLOSING_POLLS; polls++) {
      const conn = await this.#env.network.dial(this.#address).catch(() => null);
      if (conn === null) return;
      conn.destroy();
      await sleep(this.#env, CLOSING_POLL_MS, never);
    }
  }

  #watch(): void {
    void this.#running.ended.then(() => {
      if (this.#isClosed) return;
      const { method } = this.#options.settings;
      this.#env.log({ event: 'program.lost', method });
      if (this.#env.clock.monotonicMs() - this.#startMs > SETTLED_MS) this.#failures = 0;
      this.#restartLater();
    });
  }

  #restartLater(): void {
    this.#failures += 1;
    const fraction = this.#env.random.fraction();
    const delayMs = backoffMs(this.#failures, { ...RESTART_BACKOFF, fraction });
    this.#cancelRestart = this.#env.clock.setTimer(delayMs, () => void this.#restart());
  }

  async #restart(): Promise<void> {
    const { method } = this.#options.settings;
    try {
      const running = await run(this.#env, { ...this.#options, address: this.#address });
      if (this.#isClosed) {
        await running.stop();
        return;
      }
      this.#running = running;
      this.#startMs = this.#env.clock.monotonicMs();
      this.#env.log({ event: 'program.back', method });
      this.#watch();
    } catch (error) {
      if (this.#isClosed) return;
      const reason = error instanceof TunnelError ? error.message : 'it failed';
      this.#env.log({ event: 'program.failed', method, reason });
      this.#restartLater();
    }
  }
}

async function run(env: Env, options: ServerProgramOptions): Promise<ManagedProcess> {
  const { settings, folder, plainPort, extendedPort } = options;
  const { command, method } = settings;
  const stateFolder = join(folder, 'state');
  await writeStateFiles(stateFolder, settings.state);
  const cookiePath = join(folder, 'cookie');
  await writeFile(cookiePath, cookieFile(Buffer.from(settings.cookie, 'base64')), { mode: 0o600 });
  const variables = {
    TOR_PT_SERVER_TRANSPORTS: method,
    TOR_PT_SERVER_BINDADDR: `${method}-${formatAddress(options.address)}`,
    TOR_PT_ORPORT: formatAddress(plainPort),
    TOR_PT_EXTENDED_SERVER_PORT: formatAddress(extendedPort),
    TOR_PT_AUTH_COOKIE_FILE: cookiePath,
    ...choiceVariables(settings),
  };
  const running = await ManagedProcess.start(env, { command, method, stateFolder, variables });
  if (isSame(running.method.args, settings.args)) return running;
  await running.stop();
  throw new TunnelError(
    'failed',
    `the executable of ${method} tells clients something else than when the relay was made`,
  );
}

function isSame(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const text = (args: Readonly<Record<string, string>>) =>
    formatArguments(Object.fromEntries(Object.entries(args).sort(([x], [y]) => (x < y ? -1 : 1))), ',');
  return text(a) === text(b);
}
