import type { ServerResponse } from 'node:http';
import type { CancelTimer, Random } from '../../env.ts';
import type { BodyKeys } from './connection-keys.ts';
import { FrameSealer, frameBytesFor } from './frame.ts';
import { SMALL_BODY_BYTES } from './limits.ts';
import type { RequestHeader } from './request-token.ts';
import { drawPadding } from './request-writer.ts';
import type { ServerMachine } from './server-machine.ts';

/** What an `Answer` needs. */
export interface AnswerOptions {
  readonly random: Random;
  readonly machine: ServerMachine;
  readonly keys: BodyKeys;
  readonly header: RequestHeader;
  readonly response: ServerResponse;
  /** Stream bytes that it may carry. */
  readonly maxBytes: number;
}

const NOTHING: Buffer = Buffer.alloc(0);

/** The answer to one request: whole at once, or in pieces as bytes come. */
export class Answer {
  readonly header: RequestHeader;
  readonly response: ServerResponse;
  /** Ends the waiting. */
  cancelTimer: CancelTimer = () => {};
  readonly #options: AnswerOptions;
  readonly #sealer: FrameSealer;
  #roomBytes: number;
  readonly #frameBytes: number;
  #hasBegun = false;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.header = options.header;
    this.response = options.response;
    this.#roomBytes = Math.max(1, Math.min(options.maxBytes, options.header.answerBytes));
    this.#frameBytes = frameBytesFor(this.#roomBytes);
    this.#sealer = new FrameSealer({ keys: options.keys, number: options.header.number });
  }

  /** Whether something of it has been sent. */
  get begun(): boolean {
    return this.#hasBegun;
  }

  /** Sends what can be sent now, and ends. */
  finish(options: { readonly reset?: boolean; readonly withBytes: boolean }): void {
    const chunks = this.#frames({ last: true, ...options });
    const { response } = this;
    this.cancelTimer();
    response.cork();
    if (!this.#hasBegun) {
      let length = 0;
      for (const chunk of chunks) length += chunk.length;
      response.writeHead(200, { ...HEADERS, 'Content-Length': length });
    }
    for (const chunk of chunks) response.write(chunk);
    response.end();
    response.uncork();
  }

  /** Sends what can be sent now. False when it carries no more after that: then it has ended. */
  stream(): boolean {
    const { machine } = this.#options;
    if (machine.availableBytes >= this.#roomBytes || machine.endsNext) {
      this.finish({ withBytes: true });
      return false;
    }
    const { response } = this;
    response.cork();
    if (!this.#hasBegun) response.writeHead(200, HEADERS);
    this.#hasBegun = true;
    for (const chunk of this.#frames({ last: false, withBytes: true })) response.write(chunk);
    response.uncork();
    return true;
  }

  #frames(options: { last: boolean; withBytes: boolean; reset?: boolean }): Buffer[] {
    const { machine, random, header } = this.#options;
    const { last, withBytes, reset = false } = options;
    const chunks: Buffer[] = [];
    let sentBytes = 0;
    for (let isOver = false; !isOver; ) {
      const maxBytes = Math.min(this.#roomBytes, this.#frameBytes);
      const segment = withBytes && maxBytes > 0 ? machine.take(header.number, maxBytes) : null;
      this.#roomBytes -= segment?.bytes ?? 0;
      sentBytes += segment?.bytes ?? 0;
      isOver = !withBytes || this.#roomBytes <= 0 || !machine.hasWork;
      const padding = isOver && sentBytes < SMALL_BODY_BYTES ? drawPadding(random) : NOTHING;
      const head = machine.head(segment, { reset, last: last && isOver });
      chunks.push(...this.#sealer.seal(head, segment?.pieces ?? [], padding));
    }
    return chunks;
  }
}

/** Nobody in between may keep an answer, though a second one would do no harm. */
const HEADERS = {
  'Content-Type': 'video/mp2t',
  'Cache-Control': 'private, no-store',
} as const;
