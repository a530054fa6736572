import { ProtocolError } from '@rozan/protocol';
import { MAX_HEAD_BYTES, MAX_LINE_BYTES } from './limits.ts';

/** The head of a response. */
export interface ResponseHead {
  readonly status: number;
  /** Names in lower case; of those that came several times, the first. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What a `ResponseReader` tells, in order. */
export interface ResponseEvents {
  onHead(head: ResponseHead): void;
  onBody(bytes: Buffer): void;
  /** The response is over. `reusable`: the connection may carry another. */
  onEnd(reusable: boolean): void;
}

type State = 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'over';

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
const CHUNK_SIZE = /^([0-9a-fA-F]{1,8})[ \t]*(?:;|$)/;
const LINE_FEED = 0x0a;

/** Reads one HTTP/1 response after the other from bytes in pieces of any size (RFC 9112). */
export class ResponseReader {
  readonly #events: ResponseEvents;
  #state: State = 'head';
  #left = 0;
  #lines: string[] = [];
  #line: Buffer[] = [];
  #lineBytes = 0;
  #headBytes = 0;
  #reusable = false;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** Takes bytes. Throws a `ProtocolError` for what is no response. */
  push(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#state === 'over') throw new ProtocolError('malformed', 'bytes that nobody has asked for');
      if (this.#state === 'until-close') {
        this.#events.onBody(rest);
        return;
      }
      rest = this.#state === 'length' || this.#state === 'chunk' ? this.#takeBody(rest) : this.#takeLine(rest);
    }
  }

  /** The connection has ended. Says whether that ends the response in good order. */
  finish(): boolean {
    if (this.#state !== 'until-close') return this.#state === 'over';
    this.#state = 'over';
    this.#events.onEnd(false);
    return true;
  }

  /** Another request has been sent. */
  expectNext(): void {
    this.#state = 'head';
    this.#lines = [];
    this.#headBytes = 0;
  }

  #takeBody(bytes: Buffer): Buffer {
    const body = bytes.subarray(0, this.#left);
    this.#left -= body.length;
    const isChunk = this.#state === 'chunk';
    if (this.#left === 0 && isChunk) this.#state = 'chunk-end';
    this.#events.onBody(body);
    if (this.#left === 0 && !isChunk) this.#end();
    return bytes.subarray(body.length);
  }

  #takeLine(bytes: Buffer): Buffer {
    const feed = bytes.indexOf(LINE_FEED);
    const part = feed < 0 ? bytes : bytes.subarray(0, feed);
    this.#lineBytes += part.length;
    this.#headBytes += part.length + 1;
    if (this.#lineBytes > MAX_HEAD_BYTES || this.#headBytes > MAX_HEAD_BYTES) {
      throw new ProtocolError('out-of-bounds', 'a head too large');
    }
    this.#line.push(part);
    if (feed < 0) return bytes.subarray(bytes.length);
    const line = Buffer.concat(this.#line).toString('latin1').replace(/\r$/, '');
    this.#line = [];
    this.#lineBytes = 0;
    this.#readLine(line);
    return bytes.subarray(feed + 1);
  }

  #readLine(line: string): void {
    switch (this.#state) {
      case 'head':
        if (line !== '') this.#lines.push(line);
        else if (this.#lines.length > 0) this.#readHead();
        return;
      case 'chunk-size':
        this.#readChunkSize(line);
        return;
      case 'chunk-end':
        if (line !== '') throw new ProtocolError('malformed', 'a chunk longer than it says');
        this.#headBytes = 0;
        this.#state = 'chunk-size';
        return;
      default:
        if (line === '') this.#end();
    }
  }

  #readHead(): void {
    const [first = '', ...fields] = this.#lines;
    const [, minor, digits] = STATUS_LINE.exec(first) ?? [];
    if (digits === undefined) throw new ProtocolError('malformed', 'not a status line');
    const status = Number(digits);
    this.#lines = [];
    this.#headBytes = 0;
    if (status < 200) return;
    const headers = new Map<string, string>();
    for (const field of fields) {
      const colon = field.indexOf(':');
      const name = field.slice(0, Math.max(0, colon)).toLowerCase();
      if (!headers.has(name)) headers.set(name, field.slice(colon + 1).trim());
    }
    const connection = (headers.get('connection') ?? '').toLowerCase();
    this.#reusable = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive');
    this.#beginBody(status, headers);
  }

  #beginBody(status: number, headers: ReadonlyMap<string, string>): void {
    const length = headers.get('content-length');
    const isEmpty = status === 204 || status === 304;
    if (isEmpty || (length === '0' && !headers.has('transfer-encoding'))) this.#left = 0;
    else if (headers.has('transfer-encoding')) {
      if (headers.get('transfer-encoding')?.toLowerCase() !== 'chunked') {
        throw new ProtocolError('unsupported', 'a transfer coding other than chunked');
      }
      this.#state = 'chunk-size';
    } else if (length === undefined) this.#state = 'until-close';
    else {
      if (!/^\d{1,12}$/.test(length)) throw new ProtocolError('malformed', 'not a length');
      this.#left = Number(length);
      this.#state = 'length';
      if (this.#left === 0) this.#state = 'head';
    }
    const isBodiless = this.#state === 'head';
    this.#events.onHead({ status, headers });
    if (isBodiless) this.#end();
  }

  #readChunkSize(line: string): void {
    const [, digits] = CHUNK_SIZE.exec(line) ?? [];
    if (digits === undefined || line.length > MAX_LINE_BYTES) throw new ProtocolError('malformed', 'not a chunk size');
    this.#left = Number.parseInt(digits, 16);
    this.#headBytes = 0;
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
  }

  #end(): void {
    this.#state = 'over';
    this.#events.onEnd(this.#reusable);
  }
}
