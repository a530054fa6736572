import { Duplex } from 'node:stream';
import type { BrowserSocket, BrowserSockets, CancelTimer, Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { type BrowserDoor, openBrowserDoor } from './browser-door.ts';
import { BROWSER_AHEAD_BYTES, FAREWELL_MS, MAX_COOKIE_BYTES } from './limits.ts';
import type { WebSocketParams } from './params.ts';
import { upgradeHeaders } from './upgrade.ts';

type Done = (error?: Error | null) => void;

/** Codes of a Close frame that say that all is well: the usual one, and none. */
const GOOD_CODES: ReadonlySet<number> = new Set([1000, 1005]);

/** The client's end where a browser's TLS and WebSocket are used: the same bytes as `ClientConn`, made by somebody else over a connection of ours. */
export class BrowserConn extends Duplex {
  readonly remoteAddress: string | undefined;
  readonly #env: Env;
  readonly #sockets: BrowserSockets;
  readonly #under: Conn;
  readonly #params: WebSocketParams;
  #hasAsked = false;
  #door: BrowserDoor | null = null;
  #socket: BrowserSocket | null = null;
  #waiting: (() => void) | null = null;
  #sent = 0;
  #hasEnded = false;
  #hasPeerEnded = false;
  #cancelFarewell: CancelTimer = () => {};

  constructor(
    env: Env,
    sockets: BrowserSockets,
    { under, params }: { readonly under: Conn; readonly params: WebSocketParams },
  ) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#env = env;
    this.#sockets = sockets;
    this.#under = under;
    this.#params = params;
    this.remoteAddress = under.remoteAddress;
    // While it opens, whoever does the TLS knows better why that fails.
    const onBroken = () => {
      const isOpening = this.#hasAsked && this.#socket === null;
      if (!isOpening) this.destroy(new TunnelError('failed', 'the connection was reset'));
    };
    under.on('error', onBroken).on('close', () => {
      if (!this.#hasAsked) onBroken();
    });
  }

  resetAndDestroy(): this {
    this.#under.resetAndDestroy?.();
    return this.destroy();
  }

  override _read(): void {
    this.#door?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    if (this.#socket !== null) this.#send(this.#socket, chunk, done);
    else if (this.#hasAsked) this.#waiting = () => this._write(chunk, _encoding, done);
    else this.#ask(chunk, done);
  }

  /** What was written together is one message: each costs the library a millisecond. */
  override _writev(chunks: { readonly chunk: Buffer; readonly encoding: BufferEncoding }[], done: Done): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done);
  }

  override _final(done: Done): void {
    if (this.#socket === null && this.#hasAsked) {
      this.#waiting = () => this._final(done);
      return;
    }
    // An empty message ends a direction.
    this.#socket?.send(Buffer.alloc(0));
    this.#hasEnded = true;
    done();
    this.#partIfOver();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#cancelFarewell();
    this.#door?.close();
    this.#under.destroy();
    done(error);
  }

  #ask(first: Buffer, done: Done): void {
    this.#hasAsked = true;
    const rest = first.subarray(MAX_COOKIE_BYTES);
    this.#open(first.subarray(0, MAX_COOKIE_BYTES)).then(
      (socket) => {
        if (this.destroyed) {
          socket.close();
          return;
        }
        this.#socket = socket;
        if (rest.length > 0) this.#send(socket, rest, () => this.#goOn());
        else this.#goOn();
      },
      (error: Error) => void this.destroy(error),
    );
    done();
  }

  async #open(flight: Buffer): Promise<BrowserSocket> {
    const host = this.#params.host ?? '';
    const door = await openBrowserDoor(this.#env, this.#under, (error) => void this.destroy(error));
    this.#door = door;
    if (this.destroyed) door.close();
    return await this.#sockets.open({
      url: `wss://${host}${this.#params.path}`,
      headers: upgradeHeaders(this.#params, { host, key: '', flight }),
      proxy: door.proxy,
      onMessage: (bytes) => this.#take(bytes),
      onClose: (code) => this.#onClose(code),
    });
  }

  #goOn(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (!this.destroyed) waiting?.();
  }

  /** The socket keeps what it cannot send: no more is given to it than a little ahead of what has gone out. */
  #send(socket: BrowserSocket, bytes: Buffer, done: Done): void {
    socket.send(bytes);
    this.#sent += bytes.length;
    // A little later, so that what is written meanwhile comes together.
    this.#door?.whenSent(this.#sent - BROWSER_AHEAD_BYTES, () => queueMicrotask(done));
  }

  #take(bytes: Buffer): void {
    if (this.#hasPeerEnded || this.destroyed) return;
    if (bytes.length === 0) this.#endReading();
    else if (!this.push(bytes)) this.#door?.pause();
  }

  #endReading(): void {
    this.#hasPeerEnded = true;
    this.push(null);
    this.#partIfOver();
  }

  #partIfOver(): void {
    if (!this.#hasEnded || !this.#hasPeerEnded) return;
    // Closing it now would overtake what it still has to send; the peer closes when it has all.
    this.#cancelFarewell = this.#env.clock.setTimer(FAREWELL_MS, () => void this.destroy());
  }

  #onClose(code: number): void {
    if (this.#hasEnded && this.#hasPeerEnded) this.destroy();
    else if (!GOOD_CODES.has(code)) this.destroy(new TunnelError('failed', 'the connection has broken'));
    else if (!this.#hasPeerEnded) this.#endReading();
  }
}
