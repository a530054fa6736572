// Starting programs for a benchmark: free ports, a scratch folder, waiting until a port answers.
import { spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Everything here stays on this address. */
export const HOST = '127.0.0.1';

const READY_MS = 30_000;
/** A program has this long to end by itself. */
const END_MS = 6_000;

/** A SOCKS proxy on this machine, as a hop of a chain. */
export const socks = (port) => ({ host: HOST, port });

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A TCP port of 127.0.0.1 that nothing listens on just now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** The processes and files of one running peer. */
export class Launch {
  #children = [];
  folder = mkdtempSync(join(tmpdir(), 'peer-'));

  file(name, content, mode = 0o600) {
    const path = join(this.folder, name);
    if (content !== undefined) writeFileSync(path, content, { mode });
    return path;
  }

  /** Starts a program with its output in the file NAME.log of the folder; returns its pid. */
  start(name, command, args, { env = {} } = {}) {
    const log = openSync(this.file(`${name}.log`), 'a');
    const child = spawn(command, args, {
      cwd: this.folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    child.on('error', (error) => console.error(`${command}: ${error.message}`));
    this.#children.push(child);
    return child.pid;
  }

  /** Runs a program to its end. */
  async run(command, args, options = {}) {
    const child = spawn(command, args, { cwd: this.folder, stdio: 'ignore', ...options });
    const code = await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
    if (code !== 0) throw new Error(`${command} ended with ${code}`);
  }

  async #until(what, test) {
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(50)) {
      const found = await test();
      if (found) return found;
    }
    throw new Error(`${what}: not ready in ${READY_MS} ms (see ${this.folder})`);
  }

  listening(port) {
    return this.#until(`port ${port}`, () => answers(port));
  }

  /** Waits for a pattern in a program's output. */
  said(name, pattern) {
    return this.#until(`${name} saying ${pattern}`, () => pattern.exec(readFileSync(this.file(`${name}.log`), 'utf8')));
  }

  /** Ends what was started, the latest first, and removes the folder. */
  async stop() {
    for (const child of this.#children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
