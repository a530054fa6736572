import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { FramedConn } from './framed-conn.ts';
import { MAX_COOKIE_BYTES } from './limits.ts';
import type { WebSocketParams } from './params.ts';
import { AnswerReader, upgradeKey, upgradeRequest } from './upgrade.ts';

type Done = (error?: Error | null) => void;

/** The client's end: what is written first goes into the request, and everything else waits for the server's consent. */
export class ClientConn extends FramedConn {
  readonly #env: Env;
  readonly #params: WebSocketParams;
  readonly #host: string;
  #hasAsked = false;
  /** What was written and waits for the consent; at most one batch, as the stream asks for the next only then. */
  #waiting: (() => void) | null = null;

  constructor(env: Env, under: Conn, options: { readonly params: WebSocketParams; readonly host: string }) {
    super(under, { clock: env.clock, masks: env.random, remoteAddress: under.remoteAddress });
    this.#env = env;
    this.#params = options.params;
    this.#host = options.host;
  }

  protected override writeBatch(chunks: readonly Buffer[], done: Done): void {
    if (this.isOpen) super.writeBatch(chunks, done);
    else if (this.#hasAsked) this.#waiting = () => super.writeBatch(chunks, done);
    else this.#ask(Buffer.concat(chunks), done);
  }

  override _final(done: Done): void {
    if (this.isOpen || !this.#hasAsked) super._final(done);
    else this.#waiting = () => super._final(done);
  }

  #ask(first: Buffer, done: Done): void {
    this.#hasAsked = true;
    const flight = first.subarray(0, MAX_COOKIE_BYTES);
    const rest = first.subarray(MAX_COOKIE_BYTES);
    const key = upgradeKey((count) => this.#env.random.bytes(count));
    this.#awaitAnswer(new AnswerReader(key));
    const request = upgradeRequest(this.#params, { host: this.#host, key, flight });
    if (rest.length === 0) {
      this.under.write(request, done);
      return;
    }
    this.#waiting = () => super.writeBatch([rest], done);
    this.under.write(request);
  }

  #awaitAnswer(reader: AnswerReader): void {
    const { under } = this;
    const stop = () => {
      under.off('data', onData).off('end', onEnd);
    };
    const onEnd = () => {
      stop();
      this.destroy(new TunnelError('failed', 'the web server has hung up'));
    };
    const onData = (bytes: Buffer) => {
      try {
        const leftover = reader.push(bytes);
        if (leftover === null) return;
        under.pause();
        stop();
        this.open(leftover);
        this.#goOn();
      } catch (error) {
        stop();
        this.destroy(error instanceof TunnelError ? error : new TunnelError('failed', 'the answer cannot be read'));
      }
    };
    under.on('data', onData).on('end', onEnd);
    this.once('close', stop);
    under.resume();
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (!this.destroyed) waiting?.();
  }
}
