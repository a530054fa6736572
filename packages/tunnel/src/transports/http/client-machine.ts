import type { Random } from '../../env.ts';
import type { Frame } from './frame.ts';
import { type LaneUse, mayPoll, mayUpload } from './lane-share.ts';
import {
  BEACON_MS,
  BEACON_ROUND_TRIPS,
  FAILURE_HISTORY,
  FEW_BYTES,
  IDLE_PAUSE_MAX_MS,
  IDLE_PAUSE_MIN_MS,
  MAX_FAILURES,
  MAX_OPENING_FAILURES,
  MAX_POLLS,
  MAX_UPLOADS,
  OPENING_BYTES,
  RETRY_MAX_MS,
  RETRY_MIN_MS,
  SEND_BUFFER_BYTES,
  WINDOW_BYTES,
} from './limits.ts';
import type { OpenRequest } from './open-request.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import type { RequestHeader } from './request-token.ts';
import { rangeOf, type Segment, SendBuffer } from './send-buffer.ts';
import { SizeGovernor } from './size-governor.ts';

/** A request to be sent now. */
export interface PlannedRequest {
  readonly header: RequestHeader;
  /** What its body carries; an empty body without. */
  readonly segment: Segment | null;
}

/**
 * How the answer to a request came to its end: whole · cut short, or never begun · it is somebody else's, for good (the site's) or as it
 * seems for the moment (a proxy that cannot reach the relay).
 */
export type AnswerEnd = 'whole' | 'cut' | 'foreign' | 'unavailable';

/** Why no more requests are made: everything has been said and heard · the listener broke off · it cannot be reached, or is not ours. */
export type ClientOver = 'finished' | 'reset' | 'failed' | 'foreign';

/** What a `ClientMachine` needs. */
export interface ClientMachineOptions {
  readonly maxMessageBytes: number;
  readonly maxMessageAgeMs: number;
  readonly random: Random;
}

/** The client's end of a connection over requests: which to send, and what their answers mean. Pure: times go in. */
export class ClientMachine {
  readonly #options: ClientMachineOptions;
  readonly #send = new SendBuffer();
  readonly #receive = new ReceiveBuffer();
  readonly #requests = new Map<number, OpenRequest>();
  readonly #failed = new Set<number>();
  readonly #upSize: SizeGovernor;
  readonly #downSize: SizeGovernor;
  #number = 0;
  #limit = WINDOW_BYTES;
  #polls = 0;
  #wantedPolls = 1;
  #confirmed = false;
  #failures = 0;
  #foreign = 0;
  #emptyAnswers = 0;
  #retryAtMs = 0;
  #pollAtMs = 0;
  #roundTripMs: number | null = null;
  /** Whether answers come through in pieces; null while that is not known. */
  #streams: boolean | null = null;
  #lateBeacons = 0;
  #isReset = false;
  /** The request after which there is nothing more to say. */
  #lastWords: number | null = null;
  #over: ClientOver | null = null;

  constructor(options: ClientMachineOptions) {
    this.#options = options;
    const bounds = { maxBytes: options.maxMessageBytes, maxAgeMs: options.maxMessageAgeMs };
    this.#upSize = new SizeGovernor(bounds);
    this.#downSize = new SizeGovernor(bounds);
  }

  get over(): ClientOver | null {
    return this.#over;
  }

  /** Whether the listener has answered. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  /** Broken connections one after another after which it is given up. */
  get mostFailures(): number {
    return this.#confirmed ? MAX_FAILURES : MAX_OPENING_FAILURES;
  }

  /** Bytes that may be added now: what waits is no more than the next message takes, so that what is urgent need not wait behind much. */
  get roomBytes(): number {
    return Math.min(SEND_BUFFER_BYTES - this.#send.kept, this.#upSize.bytes - this.#send.unsent);
  }

  /** Whether the end that was sent has arrived. */
  get endArrived(): boolean {
    return this.#send.complete;
  }

  /** Whether everything up to the listener's end has come. */
  get receivedAll(): boolean {
    return this.#receive.complete;
  }

  /** Whether nothing has come or gone for a while. */
  get quiet(): boolean {
    return this.#emptyAnswers > 0;
  }

  /** Requests without an answer. */
  get openRequests(): number {
    return this.#requests.size;
  }

  write(bytes: Buffer): void {
    this.#send.push(bytes);
  }

  end(): void {
    this.#send.end();
  }

  /** Breaks off: the listener is told with the next request, and nothing else matters any more. */
  reset(): void {
    this.#isReset = true;
    this.#send.clear();
    this.#requests.clear();
    this.#polls = 0;
  }

  /** The reader has taken so many bytes. */
  consume(bytes: number): void {
    this.#receive.consume(bytes);
  }

  /** Whether one more poll than is open would be of use. */
  get wantsPoll(): boolean {
    return this.#confirmed && !this.receivedAll && this.#polls < this.#pollsWanted + (this.#isOneWaning ? 1 : 0);
  }

  /**
   * The next request to be sent now, or null. To be asked again after anything has happened, and at `wakeMs`. `idleLanes`: requests that
   * could be sent now, at least one; polls beyond the first leave one free for bytes.
   */
  next(nowMs: number, idleLanes: number): PlannedRequest | null {
    if (this.#over !== null || nowMs < this.#retryAtMs) return null;
    for (const request of this.#requests.values()) this.#judgeBeacon(request, nowMs);
    if (this.#isReset) return this.#nextReset(nowMs);
    const uploads = this.#requests.size - this.#polls;
    if (!this.#confirmed) {
      if (!this.#send.hasWork(this.#limit) || uploads >= MAX_UPLOADS) return null;
      return this.#plan(nowMs, { maxBytes: OPENING_BYTES, holdMs: this.#requests.size === 0 ? this.#drawHoldMs() : 0 });
    }
    const use = this.#laneUse;
    if (this.#send.hasWork(this.#limit) && mayUpload(use, this.#send.available(this.#limit))) {
      return this.#plan(nowMs, { maxBytes: this.#upSize.draw(this.#options.random), holdMs: 0 });
    }
    if (this.wantsPoll && nowMs >= this.#pollAtMs && mayPoll(use, idleLanes)) return this.#planPoll(nowMs);
    const isAllSaid = this.receivedAll && this.endArrived;
    if (isAllSaid && this.#lastWords === null) {
      this.#lastWords = this.#number + 1;
      return this.#plan(nowMs, { maxBytes: 0, holdMs: 0 });
    }
    if (this.#receive.owesLimit && uploads < MAX_UPLOADS) return this.#plan(nowMs, { maxBytes: 0, holdMs: 0 });
    return null;
  }

  /** When `next` should be asked though nothing has happened, or null. */
  wakeMs(nowMs: number): number | null {
    if (this.#over !== null) return null;
    const times: number[] = [];
    if (this.#retryAtMs > nowMs) times.push(this.#retryAtMs);
    if (this.wantsPoll && this.#pollAtMs > nowMs) times.push(this.#pollAtMs);
    for (const request of this.#requests.values()) {
      if (request.streamed && request.firstMs === null) times.push(request.sentMs + this.#beaconMs);
      if (request.beaconMs !== null) times.push(request.beaconMs + ALONE_MS);
    }
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Streamed answers that should have begun long ago: somebody holds them back. They count as lost; whoever carries them may let go. */
  takeLate(nowMs: number): number[] {
    const late: number[] = [];
    for (const [number, request] of this.#requests) {
      if (!request.streamed || request.firstMs !== null || nowMs < request.sentMs + this.#beaconMs) continue;
      late.push(number);
      this.#lateBeacons += 1;
      if (this.#streams === null || this.#lateBeacons > 1) this.#streams = false;
      this.#lose(number, request);
    }
    return late;
  }

  /** Takes a frame of the answer to a request; returns bytes that are in order now. Throws a `ProtocolError`. */
  receive(number: number, frame: Frame, nowMs: number): Buffer[] {
    this.#confirmed = true;
    this.#failures = 0;
    this.#foreign = 0;
    const request = this.#requests.get(number);
    if (request !== undefined) this.#measure(request, frame, nowMs);
    if (frame.reset) {
      this.#over = 'reset';
      return [];
    }
    this.#send.ack(frame.ack);
    this.#limit = Math.max(this.#limit, frame.limit);
    const before = this.#receive.arrived;
    const ready = this.#receive.insert(frame);
    if (this.#receive.arrived > before || frame.pieces.length > 0) this.#emptyAnswers = 0;
    return ready;
  }

  /** The answer to a request is over. */
  answered(number: number, end: AnswerEnd, nowMs: number): void {
    const request = this.#requests.get(number);
    if (request === undefined) return;
    if (end === 'whole') {
      this.#forget(number, request);
      this.#succeed(request, nowMs);
      if (number === this.#lastWords) this.#over = 'finished';
      return;
    }
    if (request.gotBytes > 0) this.#downSize.cut();
    else if (request.range !== null && end === 'cut' && nowMs - request.sentMs > RETRY_MAX_MS) this.#upSize.cut();
    this.#lose(number, request);
    this.#fail(end, request, nowMs);
  }

  #measure(request: OpenRequest, frame: Frame, nowMs: number): void {
    this.#judgeBeacon(request, nowMs);
    request.beaconMs = null;
    for (const piece of frame.pieces) request.gotBytes += piece.length;
    const isTelling = request.firstMs === null || this.#streams === null;
    if (request.streamed && isTelling && !frame.last && request.gotBytes < FEW_BYTES) request.beaconMs = nowMs;
    if (request.firstMs !== null) return;
    request.firstMs = nowMs;
    if (request.holdMs === 0 || this.#roundTripMs === null) {
      this.#roundTripMs = Math.min(this.#roundTripMs ?? Number.POSITIVE_INFINITY, nowMs - request.sentMs);
    }
  }

  /** A frame that has come alone was not held back until there was more. */
  #judgeBeacon(request: OpenRequest, nowMs: number): void {
    if (request.beaconMs === null || nowMs - request.beaconMs < ALONE_MS) return;
    request.beaconMs = null;
    this.#streams = true;
    this.#lateBeacons = 0;
  }

  #succeed(request: OpenRequest, nowMs: number): void {
    const roundTripMs = this.#roundTripMs ?? 0;
    if (request.range !== null) {
      const onLineMs = nowMs - request.sentMs - roundTripMs;
      this.#upSize.passed(request.bytes, { nowMs, onLineMs, roundTripMs });
    }
    if (!request.isPoll) return;
    this.#downSize.passed(request.gotBytes, { nowMs, onLineMs: nowMs - (request.firstMs ?? nowMs), roundTripMs });
    if (request.gotBytes > 0) {
      if (request.gotBytes >= MAX_FRAME_HINT) this.#wantedPolls = Math.min(MAX_POLLS, this.#wantedPolls + 1);
      return;
    }
    this.#wantedPolls = Math.max(1, this.#wantedPolls - 1);
    this.#emptyAnswers += 1;
    if (this.#emptyAnswers < 2) return;
    const pauseMs = Math.min(IDLE_PAUSE_MAX_MS, IDLE_PAUSE_MIN_MS * 2 ** (this.#emptyAnswers - 2));
    this.#pollAtMs = nowMs + pauseMs * (0.5 + this.#options.random.fraction() / 2);
  }

  #fail(end: AnswerEnd, request: OpenRequest, nowMs: number): void {
    this.#failures += 1;
    if (end === 'foreign') this.#foreign += 1;
    const isRefused = !this.#confirmed && end === 'foreign' && (request.range?.[0] ?? 0) === 0;
    if (isRefused || this.#foreign >= MAX_FOREIGN) this.#over = 'foreign';
    else if (this.#failures >= (end === 'cut' ? this.mostFailures : MAX_FAILURES)) this.#over = 'failed';
    else if (this.#isReset) this.#over = 'finished';
    else if (this.#failures > 1 || end !== 'cut') {
      const backoffMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (this.#failures - 1));
      this.#retryAtMs = nowMs + backoffMs * (0.5 + this.#options.random.fraction() / 2);
    }
  }

  #lose(number: number, request: OpenRequest): void {
    this.#forget(number, request);
    this.#failed.add(number);
    if (request.range !== null) this.#send.lose(request.range);
    this.#receive.doubt();
    if (number === this.#lastWords) this.#lastWords = null;
  }

  #forget(number: number, request: OpenRequest): void {
    this.#requests.delete(number);
    if (request.isPoll) this.#polls -= 1;
  }

  get #laneUse(): LaneUse {
    const uploads: number[] = [];
    for (const { isPoll, bytes } of this.#requests.values()) if (!isPoll) uploads.push(bytes);
    return { polls: this.#polls, wantedPolls: this.#wantedPolls, uploads };
  }

  /** Whether a good part of an answer has come: until another poll is there it may be over. */
  get #isOneWaning(): boolean {
    for (const { gotBytes } of this.#requests.values()) if (gotBytes > this.#downSize.bytes / 3) return true;
    return false;
  }

  get #beaconMs(): number {
    return BEACON_MS + BEACON_ROUND_TRIPS * (this.#roundTripMs ?? 0);
  }

  /** Beside a streamed answer that may not come through there is one that will. */
  get #pollsWanted(): number {
    return this.#streams === null ? Math.max(2, this.#wantedPolls) : this.#wantedPolls;
  }

  #drawHoldMs(): number {
    return Math.floor(this.#options.maxMessageAgeMs * (0.55 + 0.35 * this.#options.random.fraction()));
  }

  #nextReset(nowMs: number): PlannedRequest | null {
    if (this.#lastWords !== null) return null;
    this.#lastWords = this.#number + 1;
    return this.#plan(nowMs, { maxBytes: 0, holdMs: 0 });
  }

  #planPoll(nowMs: number): PlannedRequest {
    const isProbe =
      this.#streams === null && this.#polls > 0 && ![...this.#requests.values()].some(({ streamed }) => streamed);
    this.#polls += 1;
    const streamed = this.#streams === true || isProbe;
    return this.#plan(nowMs, { maxBytes: 0, holdMs: this.#drawHoldMs(), isPoll: true, streamed });
  }

  #plan(
    nowMs: number,
    options: { maxBytes: number; holdMs: number; isPoll?: boolean; streamed?: boolean },
  ): PlannedRequest {
    const { maxBytes, holdMs, isPoll = false, streamed = false } = options;
    const segment = maxBytes > 0 ? this.#send.take(maxBytes, this.#limit) : null;
    this.#number += 1;
    const number = this.#number;
    this.#requests.set(number, {
      isPoll,
      streamed,
      holdMs,
      range: segment === null ? null : rangeOf(segment),
      bytes: segment?.bytes ?? 0,
      sentMs: nowMs,
      firstMs: null,
      beaconMs: null,
      gotBytes: 0,
    });
    if (segment !== null) this.#emptyAnswers = 0;
    const header: RequestHeader = {
      number,
      opening: !this.#confirmed,
      streamed,
      reset: this.#isReset,
      holdMs,
      answerBytes: this.#downSize.draw(this.#options.random),
      ack: this.#receive.ack,
      limit: this.#receive.tell(),
      failed: this.#failedBefore(number),
    };
    return { header, segment };
  }

  #failedBefore(number: number): number {
    let bits = 0;
    for (const failed of this.#failed) {
      const back = number - 1 - failed;
      if (back >= FAILURE_HISTORY) this.#failed.delete(failed);
      else bits |= 1 << back;
    }
    return bits >>> 0;
  }
}

/** Without anything behind it for so long, a frame has come alone. */
const ALONE_MS = 20;

/** An answer that carries so much is one of many: another poll keeps bytes coming in the meantime. */
const MAX_FRAME_HINT = 16 * 1024;

/** Answers of somebody else one after another, after which the connection is one that the listener does not know. */
const MAX_FOREIGN = 3;
