import type { Frame, FrameHead } from './frame.ts';
import { FAILURE_HISTORY, FIRST_MESSAGE_BYTES, MESSAGE_BYTES, SEND_BUFFER_BYTES, WINDOW_BYTES } from './limits.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import type { RequestHeader } from './request-token.ts';
import { type Range, rangeOf, type Segment, SendBuffer } from './send-buffer.ts';

/** Numbers of requests below the highest that may still come. */
const NUMBERS_BEHIND = 256;

/** The listener's end of a connection over requests: what has come, and what answers carry. Pure. */
export class ServerMachine {
  readonly #send = new SendBuffer();
  readonly #receive = new ReceiveBuffer();
  readonly #seen = new Set<number>();
  /** What answers have carried that may have to be sent again. */
  readonly #carried = new Map<number, Range[]>();
  #highest = 0;
  #limit = WINDOW_BYTES;
  /** What an answer carries, as the client last asked for. */
  #answerBytes = FIRST_MESSAGE_BYTES;
  #isReset = false;

  /** Whether the client has broken off. */
  get peerReset(): boolean {
    return this.#isReset;
  }

  /** Bytes that may be added now: what waits is no more than the next answer takes, so that what is urgent need not wait behind much. */
  get roomBytes(): number {
    return Math.min(SEND_BUFFER_BYTES - this.#send.kept, this.#answerBytes - this.#send.unsent);
  }

  /** Whether the end that was sent has arrived. */
  get endArrived(): boolean {
    return this.#send.complete;
  }

  /** Whether everything up to the client's end has come. */
  get receivedAll(): boolean {
    return this.#receive.complete;
  }

  /** Bytes that could go now. */
  get availableBytes(): number {
    return this.#send.available(this.#limit);
  }

  /** Whether nothing follows what could go now. */
  get endsNext(): boolean {
    return this.#send.ended && this.#send.unsent <= this.availableBytes + 1;
  }

  /** Whether there are bytes, or the end, to be sent. */
  get hasWork(): boolean {
    return this.#send.hasWork(this.#limit);
  }

  /** Whether the client waits to hear how far it may go. */
  get owesLimit(): boolean {
    return this.#receive.owesLimit;
  }

  /** Takes note of a request. False for one whose number has been used: a repetition, to which nothing of ours is the answer. */
  accept(header: RequestHeader): boolean {
    const { number } = header;
    if (number <= this.#highest - NUMBERS_BEHIND || this.#seen.has(number)) return false;
    this.#seen.add(number);
    if (number > this.#highest) {
      this.#highest = number;
      this.#answerBytes = Math.max(MESSAGE_BYTES.least, header.answerBytes);
      if (this.#seen.size > 2 * NUMBERS_BEHIND) this.#forgetNumbers();
    }
    this.#send.ack(header.ack);
    this.#limit = Math.max(this.#limit, header.limit);
    this.#forgetCarried(header.ack);
    for (let back = 0; back < FAILURE_HISTORY; back += 1) {
      if ((header.failed & (1 << back)) !== 0) this.lose(number - 1 - back);
    }
    if (header.reset) this.#isReset = true;
    return true;
  }

  /** Takes a frame of a request's body; returns bytes that are in order now. Throws a `ProtocolError`. */
  receive(frame: Frame): Buffer[] {
    return this.#receive.insert(frame);
  }

  write(bytes: Buffer): void {
    this.#send.push(bytes);
  }

  end(): void {
    this.#send.end();
  }

  /** The reader has taken so many bytes. */
  consume(bytes: number): void {
    this.#receive.consume(bytes);
  }

  /** Lets go of what was to be sent. */
  clear(): void {
    this.#send.clear();
  }

  /** The next bytes for the answer to a request, or null. */
  take(number: number, maxBytes: number): Segment | null {
    const segment = this.#send.take(maxBytes, this.#limit);
    if (segment === null) return null;
    const ranges = this.#carried.get(number) ?? [];
    ranges.push(rangeOf(segment));
    this.#carried.set(number, ranges);
    return segment;
  }

  /** What a frame of an answer says beside its bytes. */
  head(segment: Segment | null, flags: { readonly reset: boolean; readonly last: boolean }): FrameHead {
    return {
      offset: segment?.offset ?? 0,
      end: segment?.end ?? false,
      ack: this.#receive.ack,
      limit: this.#receive.tell(),
      ...flags,
    };
  }

  /** The answer to a request did not arrive, or not whole. */
  lose(number: number): void {
    const ranges = this.#carried.get(number);
    this.#receive.doubt();
    if (ranges === undefined) return;
    this.#carried.delete(number);
    for (const range of ranges) this.#send.lose(range);
  }

  #forgetNumbers(): void {
    for (const number of this.#seen) if (number <= this.#highest - NUMBERS_BEHIND) this.#seen.delete(number);
  }

  #forgetCarried(ack: number): void {
    for (const [number, ranges] of this.#carried) {
      if (ranges.every(([, until]) => until <= ack)) this.#carried.delete(number);
    }
  }
}
