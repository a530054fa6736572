import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const ANSWER_MS = 60_000;

/** A program of the lab that is steered over its channel; it ends when this is disposed of. */
export class Forked implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(path: string, args: readonly string[] = [], execArgv: readonly string[] = []) {
    // What the test runner has set is for itself.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    this.#child = fork(path, args, { env, execArgv: [...execArgv] });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(message: object | string | number | null): void {
    this.#child.send(message as never);
  }

  /** The next thing that it says. Rejects when it says nothing in time, or has ended. */
  async next<T>(withinMs: number = ANSWER_MS): Promise<T> {
    const over = new AbortController();
    const ended = once(this.#child, 'exit', { signal: over.signal }).then(([code]) => {
      throw new Error(`it has ended with ${code}`);
    });
    try {
      const signal = AbortSignal.any([over.signal, AbortSignal.timeout(withinMs)]);
      const [message] = await Promise.race([once(this.#child, 'message', { signal }), ended]);
      return message as T;
    } finally {
      ended.catch(() => {});
      over.abort();
    }
  }

  /** Says something and waits for what it says then. */
  async ask<T>(message: object | string | number | null, withinMs?: number): Promise<T> {
    const answer = this.next<T>(withinMs);
    this.tell(message);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit', { signal: AbortSignal.timeout(5000) });
    this.#child.disconnect();
    await ended.catch(() => this.#child.kill('SIGKILL'));
  }
}
