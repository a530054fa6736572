// What goes out first on a connection, in more and smaller packets than anybody asked for. Some censors look at the sizes of a connection's
// first packets, or for a name in one of them (C28 in Russia: three packets of 411 bytes and more; C13, C15 without reassembly).
import { Duplex } from 'node:stream';
import type { Env } from './env.ts';
import type { BorrowedReader, Conn, Network } from './network.ts';

/** So many pieces are cut: the rules that are known look at no more than the first 30 packets of both sides. */
const PIECES = 30;
/** A piece has a length between these, below the smallest that is known to be looked for. */
const LEAST_PIECE_BYTES = 120;
const MOST_PIECE_BYTES = 400;
/** Time between two pieces, without which the kernel may send them as one packet. */
const LEAST_GAP_MS = 2;
const MOST_GAP_MS = 8;

type Done = (error?: Error | null) => void;

/** A connection whose first bytes are written in pieces; all else is as below. */
class SplitConn extends Duplex {
  readonly forgetsWrites: boolean;
  readonly remoteAddress: string | undefined;
  readonly #env: Pick<Env, 'clock' | 'random'>;
  readonly #under: Conn;
  #piecesLeft = PIECES;
  #isReset = false;
  #reader: BorrowedReader | null = null;
  #cancelGap = () => {};
  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#under.pause();
  };

  constructor(env: Pick<Env, 'clock' | 'random'>, under: Conn) {
    super({ allowHalfOpen: true });
    this.#env = env;
    this.#under = under;
    this.forgetsWrites = under.forgetsWrites === true;
    this.remoteAddress = under.remoteAddress;
    under.on('data', this.#onData);
    under.on('end', () => this.push(null));
    under.on('error', (error) => this.destroy(error));
    under.on('close', () => this.#onClose());
    under.pause();
  }

  /** As in `ConnExtras`; without it below, what comes is lent from chunks of its own. */
  borrowReads(reader: BorrowedReader | null): void {
    const under = this.#under;
    this.#reader = reader;
    if (reader === null) {
      under.borrowReads?.(null);
      under.off('data', this.#lend).on('data', this.#onData);
      return;
    }
    for (let early = this.read(); early instanceof Buffer; early = this.read()) reader(early);
    under.off('data', this.#onData);
    if (under.borrowReads === undefined) under.on('data', this.#lend);
    else under.borrowReads(reader);
  }

  readonly #lend = (chunk: Buffer): void => {
    if (this.#reader?.(chunk) === false) this.#under.pause();
  };

  override pause(): this {
    super.pause();
    if (this.#reader !== null) this.#under.pause();
    return this;
  }

  override resume(): this {
    super.resume();
    if (this.#reader !== null) this.#under.resume();
    return this;
  }

  override _read(): void {
    this.#under.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send(chunk, done);
  }

  override _writev(items: { chunk: Buffer }[], done: Done): void {
    if (this.#piecesLeft > 0) this.#send(Buffer.concat(items.map(({ chunk }) => chunk)), done);
    else {
      const last = items.length - 1;
      this.#under.cork();
      items.forEach(({ chunk }, index) => {
        if (index < last) this.#under.write(chunk);
        else this.#under.write(chunk, done);
      });
      this.#under.uncork();
    }
  }

  #send(bytes: Buffer, done: Done): void {
    const length = this.#draw(LEAST_PIECE_BYTES, MOST_PIECE_BYTES);
    const isLast = this.#piecesLeft <= 0 || bytes.length <= length;
    this.#piecesLeft -= 1;
    if (isLast) {
      this.#under.write(bytes, done);
      return;
    }
    this.#under.write(bytes.subarray(0, length));
    const gapMs = this.#draw(LEAST_GAP_MS, MOST_GAP_MS);
    this.#cancelGap = this.#env.clock.setTimer(gapMs, () => this.#send(bytes.subarray(length), done));
  }

  #draw(least: number, most: number): number {
    return Math.round(least + this.#env.random.fraction() * (most - least));
  }

  override _final(done: Done): void {
    this.#under.end(done);
  }

  resetAndDestroy(): this {
    this.#isReset = true;
    return this.destroy();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#cancelGap();
    if (this.#isReset && this.#under.resetAndDestroy !== undefined) this.#under.resetAndDestroy();
    else this.#under.destroy();
    done(error);
  }

  #onClose(): void {
    // What lies ready to be read may still be read.
    if (this.#under.readableEnded && !this.readableEnded && this.#reader === null)
      this.once('end', () => this.destroy());
    else this.destroy();
  }
}

/** A connection whose first writes go out in small pieces. Takes `conn` over; nothing may have been read from it. */
export function splitFirstWrites(env: Pick<Env, 'clock' | 'random'>, conn: Conn): Conn {
  return new SplitConn(env, conn);
}

/** The same environment, in whose network every dialled connection begins in small pieces. */
export function splittingEnv(env: Env): Env {
  const { network } = env;
  const splitting: Network = {
    dial: async (...given) => splitFirstWrites(env, await network.dial(...given)),
    listen: (...given) => network.listen(...given),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
  return { ...env, network: splitting };
}
