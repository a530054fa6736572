import { Agent, type ClientRequestArgs, type IncomingMessage, request } from 'node:http';
import { type Duplex, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Clock } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import { SLOW_WINDOW_BYTES, SLOW_WINDOW_MS } from '../limits.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** What packing may add to what cannot be packed. */
const MAX_PACKING_BYTES = 1024;
const OK = 200;
const PARTIAL = 206;

/** Where a mirror's connections go. */
export interface MirrorPlace {
  /** A name or a literal address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether TLS is to be put on, with `host` as the name that the certificate has to bear. */
  readonly isSecure: boolean;
}

/** Connects to a mirror: directly, through the tunnel, or through a proxy. What it gives is written to as it is. */
export type MirrorDial = (
  place: MirrorPlace,
  options: { readonly signal?: AbortSignal | undefined },
) => Promise<Duplex>;

/** How one file is fetched. */
export interface GetOptions {
  readonly maxBytes: number;
  /** Bytes that are there already. */
  readonly from?: number;
  readonly signal?: AbortSignal | undefined;
  /** Gets the bytes in order; `at` is where they begin in the file. What it throws ends the transfer. */
  readonly onBytes: (bytes: Buffer, at: number) => void;
}

/** What came: the file, nothing since the mirror does not have it. */
export type GetOutcome = 'whole' | 'missing';

/** One mirror, and at most one connection to it at a time. Texts of errors never name it. */
export class MirrorConnection implements Disposable {
  readonly #clock: Clock;
  readonly #base: URL;
  readonly #agent: DialAgent;
  /** Bytes of bodies as they came over the line. */
  receivedBytes = 0;

  constructor(clock: Clock, options: { readonly base: URL; readonly dial: MirrorDial }) {
    this.#clock = clock;
    this.#base = options.base;
    const isSecure = options.base.protocol === 'https:';
    const host = options.base.hostname.replace(/^\[|\]$/g, '');
    const port = Number(options.base.port) || (isSecure ? 443 : 80);
    this.#agent = new DialAgent((signal) => options.dial({ host, port, isSecure }, { signal }));
  }

  /**
   * Fetches a file of the publication. Rejects with a `PublicationError` (`unavailable`, `too-large`, `too-slow`), what `onBytes` throws, or
   * the signal's reason.
   */
  async get(name: string, options: GetOptions): Promise<GetOutcome> {
    options.signal?.throwIfAborted();
    const watch = new SpeedWatch(this.#clock, options.signal);
    try {
      return await this.#get(name, options, watch);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof PublicationError) throw error;
      throw watch.isSlow
        ? tooSlow()
        : new PublicationError('unavailable', 'the mirror does not answer', { cause: error });
    } finally {
      watch.stop();
    }
  }

  async #get(name: string, options: GetOptions, watch: SpeedWatch): Promise<GetOutcome> {
    const { from = 0, maxBytes, onBytes } = options;
    const response = await this.#ask(name, { signal: watch.signal, headers: headersFor(name, from) });
    try {
      const { statusCode = 0, headers } = response;
      if (statusCode === 404 || statusCode === 403) {
        for await (const _ of countedBytes(response, MAX_HEADER_BYTES, watch.count));
        return 'missing';
      }
      if (statusCode !== OK && statusCode !== PARTIAL) throw unavailable(`the mirror answers ${statusCode}`);
      const start = statusCode === PARTIAL ? startOf(headers['content-range']) : 0;
      if (start !== from && start !== 0) throw unavailable('the mirror sends another part of the file');
      const isPacked = headers['content-encoding'] === 'gzip';
      if (!isPacked && start + Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
      let at = start;
      for await (const piece of this.#bodyOf(response, { isPacked, watch, maxBytes })) {
        if (at + piece.length > maxBytes) throw tooLarge();
        // A mirror that knows no ranges sends all; what is there is passed over.
        const skipped = Math.min(Math.max(0, from - at), piece.length);
        if (skipped < piece.length) onBytes(piece.subarray(skipped), at + skipped);
        at += piece.length;
      }
      if (!response.complete) throw unavailable('the mirror has hung up');
      return 'whole';
    } finally {
      // What is not read to its end leaves the connection of no use.
      if (!response.complete) response.destroy();
      else response.resume();
    }
  }

  #bodyOf(
    response: IncomingMessage,
    { isPacked, watch, maxBytes }: { isPacked: boolean; watch: SpeedWatch; maxBytes: number },
  ): AsyncIterable<Buffer> {
    // Packed bytes that unpack into nothing are bytes all the same.
    const mostBytes = maxBytes + MAX_PACKING_BYTES;
    const count = (bytes: number) => {
      this.receivedBytes += bytes;
      watch.count(bytes);
    };
    const counted = countedBytes(response, mostBytes, count);
    // The error comes out of the last stream as well.
    return isPacked ? pipeline(counted, createGunzip(), () => {}) : counted;
  }

  #ask(name: string, options: Pick<ClientRequestArgs, 'signal' | 'headers'>): Promise<IncomingMessage> {
    const { pathname, search, host } = new URL(name, this.#base);
    return new Promise((resolve, reject) => {
      const asked = request({
        agent: this.#agent,
        method: 'GET',
        path: `${pathname}${search}`,
        maxHeaderSize: MAX_HEADER_BYTES,
        ...options,
        headers: { host, ...options.headers },
      });
      asked.once('response', resolve);
      asked.on('error', reject);
      asked.end();
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Keeps one connection, which may be of any make. */
class DialAgent extends Agent {
  readonly #dial: (signal: AbortSignal | undefined) => Promise<Duplex>;

  constructor(dial: (signal: AbortSignal | undefined) => Promise<Duplex>) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
    this.#dial = dial;
  }

  override createConnection(
    { signal }: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    this.#dial(signal).then(
      (conn) => callback?.(null, asSocket(conn)),
      // Node's own type wants a stream with an error, too.
      (error: Error) => (callback as ((error: Error) => void) | undefined)?.(error),
    );
  }
}

/** Node's agent asks of a connection that it keeps what sockets alone have. */
function asSocket(conn: Duplex): Duplex {
  const nothing = () => conn;
  for (const name of ['setKeepAlive', 'setTimeout', 'ref', 'unref']) {
    if (!Reflect.has(conn, name)) Object.defineProperty(conn, name, { value: nothing });
  }
  return conn;
}

/** Ends what comes too slowly to ever end. */
class SpeedWatch {
  readonly #stop = new AbortController();
  readonly #clock: Clock;
  #cancelTimer = () => {};
  #bytes = 0;
  isSlow = false;
  readonly signal: AbortSignal;

  constructor(clock: Clock, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.#arm();
  }

  readonly count = (bytes: number): void => {
    this.#bytes += bytes;
  };

  stop(): void {
    this.#cancelTimer();
  }

  #arm(): void {
    this.#cancelTimer = this.#clock.setTimer(SLOW_WINDOW_MS, () => {
      this.isSlow = this.#bytes < SLOW_WINDOW_BYTES;
      this.#bytes = 0;
      if (this.isSlow) this.#stop.abort();
      else this.#arm();
    });
  }
}

async function* countedBytes(
  response: IncomingMessage,
  mostBytes: number,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let received = 0;
  for await (const bytes of response) {
    received += bytes.length;
    count(bytes.length);
    if (received > mostBytes) throw tooLarge();
    yield bytes;
  }
}

function headersFor(name: string, from: number): Record<string, string> {
  if (from > 0) return { range: `bytes=${from}-` };
  // Targets are packed already, where it is of use.
  return name.endsWith('.json') ? { 'accept-encoding': 'gzip' } : {};
}

function startOf(range: string | undefined): number {
  const [, start] = /^bytes ([0-9]{1,15})-/.exec(range ?? '') ?? [];
  if (start === undefined) throw unavailable('the mirror does not say which part it sends');
  return Number(start);
}

function unavailable(message: string): PublicationError {
  return new PublicationError('unavailable', message);
}

function tooLarge(): PublicationError {
  return new PublicationError('too-large', 'the mirror sends more than there may be');
}

function tooSlow(): PublicationError {
  return new PublicationError('too-slow', 'the mirror sends next to nothing');
}
