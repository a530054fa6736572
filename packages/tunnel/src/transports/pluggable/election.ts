import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatAddress, parseAddress } from '../../address.ts';
import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn, LocalListener, SocketAddress } from '../../network.ts';
import { sleep } from '../../session/backoff.ts';
import { ELECTION_MS, HEIR_MS } from './limits.ts';
import { makePrivateFolder } from './state-files.ts';

const SOCKET_FILE = 'lead';
const MAX_ADDRESS_LINE = 64;

/** What whoever is elected runs. */
export interface Lead {
  /** Where clients reach it. */
  readonly address: SocketAddress;
  /** Ends it; `hasFollowers`: others have connections through it. */
  close(hasFollowers: boolean): Promise<void>;
}

/** How an election is held. */
export interface ElectionOptions {
  /** A folder that is the same for all who take part, and nobody else's. */
  readonly folder: string;
  readonly startLead: () => Promise<Lead>;
}

/**
 * Of several processes that listen with the same settings (the workers of a relay) one runs the executable, and when that process goes
 * another does. Who is first to listen on a local socket has the lead; the others stay connected to it and learn where it listens.
 */
export class Election {
  readonly #env: Env;
  readonly #options: ElectionOptions;
  readonly #socketPath: string;
  readonly #followers = new Set<Conn>();
  readonly #first = Promise.withResolvers<SocketAddress>();
  readonly #over = new AbortController();
  #address: SocketAddress | null = null;
  /** Others were there when the lead was given up. */
  #hasHeir = false;
  #running: Promise<void> = Promise.resolve();

  constructor(env: Env, options: ElectionOptions) {
    this.#env = env;
    this.#options = options;
    const name = options.folder.replace(/.*[\\/]/, '');
    this.#socketPath = process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(options.folder, SOCKET_FILE);
  }

  /** Resolves with the address at which the executable listens, here or in another process. Rejects as `startLead` does. */
  start(): Promise<SocketAddress> {
    this.#running = this.#takePart();
    return this.#first.promise;
  }

  /** Leaves the lead, or stops waiting for it. */
  async close(): Promise<void> {
    this.#over.abort(new TunnelError('failed', 'the listener is closed'));
    await this.#running;
  }

  async #takePart(): Promise<void> {
    while (!this.#over.signal.aborted) {
      try {
        if (!(await this.#tryToLead()) && !(await this.#tryToFollow())) await this.#pause();
      } catch (error) {
        this.#first.reject(error);
        if (this.#address === null) break;
        await this.#pause();
      }
    }
    this.#first.reject(this.#over.signal.reason);
    this.#first.promise.catch(() => {});
    await this.#cleanUp();
  }

  #pause(): Promise<void> {
    return sleep(this.#env, ELECTION_MS * (1 + this.#env.random.fraction()), this.#over.signal).catch(() => {});
  }

  /** False when somebody else has the lead. */
  async #tryToLead(): Promise<boolean> {
    await makePrivateFolder(this.#options.folder);
    let line: Buffer | null = null;
    const onFollower = (conn: Conn) => {
      this.#followers.add(conn);
      conn.on('error', () => {});
      conn.on('end', () => conn.destroy());
      conn.once('close', () => this.#followers.delete(conn));
      conn.resume();
      if (line !== null) conn.write(line);
    };
    const listener = await this.#env.network.listenLocal(this.#socketPath, onFollower).catch(() => null);
    if (listener === null) return false;
    try {
      const lead = await this.#options.startLead();
      line = Buffer.from(`${formatAddress(lead.address)}\n`);
      for (const conn of this.#followers) conn.write(line);
      this.#announce(lead.address);
      await aborted(this.#over.signal);
      this.#hasHeir = this.#followers.size > 0;
      await lead.close(this.#hasHeir);
    } finally {
      await this.#resign(listener);
    }
    return true;
  }

  async #resign(listener: LocalListener): Promise<void> {
    await listener.close();
    for (const conn of this.#followers) conn.destroy();
  }

  /** Stays until the other has gone; false when there is no other. */
  async #tryToFollow(): Promise<boolean> {
    const { signal } = this.#over;
    const conn = await this.#env.network.dialLocal(this.#socketPath, { signal }).catch(() => null);
    if (conn === null) return false;
    await new Promise<void>((resolve) => {
      let text = '';
      conn.on('data', (bytes: Buffer) => {
        text = `${text}${bytes.toString('latin1')}`.slice(0, MAX_ADDRESS_LINE);
        const end = text.indexOf('\n');
        if (end >= 0) this.#announce(parseAddress(text.slice(0, end)));
      });
      conn.on('error', () => {});
      conn.on('end', () => conn.destroy());
      conn.once('close', () => resolve());
      const onAbort = () => conn.destroy();
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    return true;
  }

  #announce(address: SocketAddress): void {
    this.#address = address;
    this.#first.resolve(address);
  }

  /** The last one puts the folder away. */
  async #cleanUp(): Promise<void> {
    // Whoever takes over has done so by then, unless all of them are closing.
    if (this.#hasHeir) await sleep(this.#env, HEIR_MS, new AbortController().signal);
    const other = await this.#env.network.dialLocal(this.#socketPath).catch(() => null);
    other?.destroy();
    if (other === null) await rm(this.#options.folder, { recursive: true, force: true });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
