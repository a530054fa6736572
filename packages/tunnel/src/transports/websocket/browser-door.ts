import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn, Listener } from '../../network.ts';

/** A way for somebody's own TLS on this machine to a connection that we have made. */
export interface BrowserDoor {
  /** The URL of an HTTP proxy, of use once; its password is drawn. */
  readonly proxy: string;
  /** Nothing more is taken from the connection until `resume`. */
  pause(): void;
  resume(): void;
  /** Calls back once so many bytes have gone out. One at a time. */
  whenSent(bytes: number, callback: () => void): void;
  close(): void;
}

const MAX_HEAD_BYTES = 8 * 1024;
const TOKEN_BYTES = 16;
const END_OF_HEAD = '\r\n\r\n';
const HANDSHAKE = 0x16;
const RECORD_HEADER_BYTES = 5;
/** The extension of a server's hello that says TLS 1.3 (RFC 8446 §4.2.1). */
const TLS_13 = Buffer.from('002b00020304', 'hex');

/** Opens a door to `under` on loopback, for the first who knows the password. `onFailure` hears of what breaks it, once. */
export async function openBrowserDoor(
  env: Env,
  under: Conn,
  onFailure: (error: TunnelError) => void,
): Promise<BrowserDoor> {
  const token = env.random.bytes(TOKEN_BYTES).toString('hex');
  const door = new Door(under, token, onFailure);
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => door.greet(conn));
  door.listener = listener;
  return door.facade(`http://rozan:${token}@127.0.0.1:${listener.address.port}`);
}

class Door {
  listener: Listener | null = null;
  readonly #under: Conn;
  readonly #expected: string;
  readonly #onFailure: (error: TunnelError) => void;
  #inner: Conn | null = null;
  #first: Buffer | null = Buffer.alloc(0);
  #isPaused = false;
  #sent = 0;
  #waiting: { readonly bytes: number; readonly callback: () => void } | null = null;
  #isClosed = false;

  constructor(under: Conn, token: string, onFailure: (error: TunnelError) => void) {
    this.#under = under;
    this.#expected = `Basic ${Buffer.from(`rozan:${token}`).toString('base64')}`;
    this.#onFailure = onFailure;
  }

  facade(proxy: string): BrowserDoor {
    return {
      proxy,
      pause: () => {
        this.#isPaused = true;
        this.#under.pause();
      },
      resume: () => {
        this.#isPaused = false;
        if (this.#inner?.writableNeedDrain === false) this.#under.resume();
      },
      whenSent: (bytes, callback) => {
        this.#waiting = { bytes, callback };
        this.#tell();
      },
      close: () => this.close(),
    };
  }

  /** Reads what somebody asks of the proxy. */
  greet(conn: Conn): void {
    let head = '';
    conn.on('error', () => {});
    const onData = (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes(END_OF_HEAD)) {
        if (head.length > MAX_HEAD_BYTES) conn.destroy();
        return;
      }
      conn.off('data', onData).pause();
      const [, given = ''] = /\r\nproxy-authorization: ([^\r]*)\r\n/i.exec(head) ?? [];
      // Whoever else is on this machine has no business here. TLS begins after the answer, so nothing stands behind the head.
      if (!/^CONNECT /.test(head) || given !== this.#expected || this.#inner !== null || this.#isClosed) conn.destroy();
      else this.#join(conn);
    };
    conn.on('data', onData);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#inner?.destroy();
  }

  #stopListening(): void {
    this.listener?.close().catch(() => {});
    this.listener = null;
  }

  #join(inner: Conn): void {
    const under = this.#under;
    this.#inner = inner;
    this.#stopListening();
    inner.write('HTTP/1.1 200 Connection established\r\n\r\n');
    inner.on('data', (bytes: Buffer) => {
      if (!under.write(bytes)) {
        inner.pause();
        under.once('drain', () => inner.resume());
      }
      this.#sent += bytes.length;
      this.#tell();
    });
    inner.on('end', () => void under.end());
    inner.on('close', () => void under.end());
    under.on('data', (bytes: Buffer) => {
      if (this.#refuses(bytes)) {
        this.#onFailure(new TunnelError('failed', 'the server does not speak TLS 1.3'));
        return;
      }
      if (inner.write(bytes)) return;
      under.pause();
      inner.once('drain', () => {
        if (!this.#isPaused) under.resume();
      });
    });
    under.on('end', () => void inner.end());
    under.on('error', () => this.#onFailure(new TunnelError('failed', 'the connection was reset')));
    under.on('close', () => inner.destroy());
    inner.resume();
    under.resume();
  }

  /** Whether this is the end of a server's first record, and that is a hello of an earlier version: those show the certificate. */
  #refuses(bytes: Buffer): boolean {
    if (this.#first === null) return false;
    this.#first = Buffer.concat([this.#first, bytes]);
    const { length } = this.#first;
    if (length < RECORD_HEADER_BYTES || length < RECORD_HEADER_BYTES + this.#first.readUInt16BE(3)) return false;
    const isOld =
      this.#first[0] === HANDSHAKE &&
      !this.#first.subarray(0, RECORD_HEADER_BYTES + this.#first.readUInt16BE(3)).includes(TLS_13);
    this.#first = null;
    return isOld;
  }

  #tell(): void {
    const waiting = this.#waiting;
    if (waiting === null || this.#sent < waiting.bytes) return;
    this.#waiting = null;
    waiting.callback();
  }
}
