import type { IncomingMessage, ServerResponse } from 'node:http';
import { ProtocolError } from '@rozan/protocol';
import type { CancelTimer, Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import type { Site } from '../../site/reply.ts';
import { Answer } from './answer.ts';
import type { ConnectionKeys } from './connection-keys.ts';
import { FrameOpener } from './frame.ts';
import { LAST_WORDS_MS, MAX_HELD_REQUESTS, OPENING_BYTES, SILENT_CARRIER_MS, TOMBSTONE_MS } from './limits.ts';
import type { RequestHeader } from './request-token.ts';
import { RequestsConn } from './requests-conn.ts';
import { ServerMachine } from './server-machine.ts';
import { standInFor } from './stand-in.ts';

/** What a `ServerConnection` needs. */
export interface ServerConnectionOptions {
  readonly keys: ConnectionKeys;
  readonly site: Site;
  readonly maxMessageBytes: number;
  /** For how long an answer may be held back now. */
  readonly maxHoldMs: () => number;
  readonly remoteAddress: string | undefined;
  /** Its first bytes have come. */
  readonly onConn: (conn: Conn) => void;
  /** It may be forgotten; whether anything has come of it. */
  readonly onOver: (hasBegun: boolean) => void;
}

/** A request of which the body is being read, or that waits for its answer. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly header: RequestHeader;
  /** What has been read, as far as a site may have to read it too. */
  readonly body: Buffer[];
}

/** Bodies carry this beside their frames' data at most. */
const BODY_SLACK_BYTES = 128 * 1024;

/** The listener's end of one connection over requests. */
export class ServerConnection {
  readonly #env: Env;
  readonly #options: ServerConnectionOptions;
  readonly #machine = new ServerMachine();
  readonly #conn: RequestsConn;
  /** Answers that wait: for bytes, or for the connection to be taken. */
  readonly #held = new Map<Answer, Exchange>();
  #openingBytes = 0;
  #consumedBytes = 0;
  /** Requests of which the body is being read. */
  #reading = 0;
  #hasBegun = false;
  /** Whether the owner has taken the connection for one of ours: it has answered, or read on behind the opening. */
  #isTaken = false;
  #isReset = false;
  #isOver = false;
  #isScheduled = false;
  #cancelSilence: CancelTimer = () => {};
  #lastMs: number;

  constructor(env: Env, options: ServerConnectionOptions) {
    this.#env = env;
    this.#options = options;
    this.#lastMs = env.clock.monotonicMs();
    const machine = this.#machine;
    this.#conn = new RequestsConn(
      {
        write: (chunks) => {
          for (const chunk of chunks) machine.write(chunk);
          this.#take();
        },
        roomBytes: () => machine.roomBytes,
        end: () => {
          machine.end();
          this.#take();
        },
        endArrived: () => machine.endArrived,
        consumed: (bytes) => this.#consumed(bytes),
        reading: () => {
          // Only behind this call it shows what has been read.
          if (!this.#isTaken) queueMicrotask(() => this.#noticeReading());
        },
        released: (release) => this.#release(release),
      },
      options.remoteAddress,
    );
    this.#conn.decline = () => this.#decline();
    this.#watchSilence(SILENT_CARRIER_MS);
  }

  /** Takes a request of this connection whose token is authentic. False: it is not for us, nothing has been done with it. */
  handle(request: IncomingMessage, response: ServerResponse, header: RequestHeader): boolean {
    const { maxMessageBytes } = this.#options;
    const isTooLarge = Number(request.headers['content-length'] ?? 0) > maxMessageBytes + BODY_SLACK_BYTES;
    if (this.#isOver || isTooLarge || this.#held.size >= MAX_HELD_REQUESTS || !this.#accept(header)) {
      this.#forgetEmbryo();
      return false;
    }
    this.#lastMs = this.#env.clock.monotonicMs();
    this.#readBody({ request, response, header, body: [] });
    this.#conn.progress();
    this.#schedule();
    return true;
  }

  #accept(header: RequestHeader): boolean {
    try {
      return this.#machine.accept(header);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return false;
    }
  }

  #readBody(exchange: Exchange): void {
    const { request, header } = exchange;
    const { maxMessageBytes, keys } = this.#options;
    const opener = new FrameOpener({ keys: keys.up, number: header.number });
    let bytes = 0;
    let isSpoilt = false;
    let isRead = false;
    const finish = () => {
      if (!isRead) this.#reading -= 1;
      isRead = true;
      this.#forgetEmbryo();
    };
    this.#reading += 1;
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (!this.#isTaken && bytes <= 2 * OPENING_BYTES) exchange.body.push(chunk);
      try {
        if (!isSpoilt && !this.#isOver && bytes <= maxMessageBytes + BODY_SLACK_BYTES) {
          for (const frame of opener.push(chunk)) this.#deliver(this.#machine.receive(frame));
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        isSpoilt = true;
      }
    };
    request.on('data', onData);
    request.on('error', () => {});
    request.once('end', () => {
      request.off('data', onData);
      // Whoever judges may do so before the body is over.
      if (this.#isOver || isSpoilt || (bytes > 0 && !opener.complete) || !this.#hasBegun) this.#giveToSite(exchange);
      else this.#hold(exchange);
      finish();
    });
    request.once('close', finish);
  }

  /** The bytes that would have made it a connection have not come. */
  #forgetEmbryo(): void {
    if (!this.#hasBegun && this.#reading === 0) this.#forget();
  }

  #deliver(ready: readonly Buffer[]): void {
    if (ready.length > 0 && !this.#hasBegun) {
      this.#hasBegun = true;
      for (const { length } of ready) this.#openingBytes += length;
      this.#options.onConn(this.#conn);
    }
    this.#conn.deliver(ready);
    if (this.#machine.receivedAll) this.#conn.deliverEnd();
    this.#noticeReading();
  }

  #consumed(bytes: number): void {
    this.#consumedBytes += bytes;
    this.#machine.consume(bytes);
    this.#noticeReading();
    if (this.#machine.owesLimit) this.#schedule();
  }

  /** Who judges the opening reads it and nothing else until it is judged. */
  #noticeReading(): void {
    if (!this.#isTaken && this.#consumedBytes - this.#conn.readableLength > this.#openingBytes) this.#take();
  }

  #take(): void {
    if (!this.#isTaken) {
      this.#isTaken = true;
      for (const [answer, exchange] of [...this.#held]) {
        exchange.body.length = 0;
        this.#dropEnded(exchange);
        if (exchange.response.destroyed) continue;
        if (answer.header.holdMs === 0) this.#finish(answer);
        else this.#begin(answer);
      }
    }
    this.#schedule();
  }

  /** The request has come whole: it waits for its answer. */
  #hold(exchange: Exchange): void {
    const { header, request, response } = exchange;
    if (this.#machine.peerReset) this.#breakOff();
    const answer = new Answer({
      random: this.#env.random,
      machine: this.#machine,
      keys: this.#options.keys.down,
      header,
      response,
      maxBytes: this.#options.maxMessageBytes,
    });
    const onEnd = () => this.#dropEnded(exchange);
    request.socket.once('end', onEnd);
    response.once('close', () => {
      request.socket.off('end', onEnd);
      answer.cancelTimer();
      if (this.#held.delete(answer) || !response.writableFinished) this.#machine.lose(header.number);
      this.#schedule();
    });
    response.on('error', () => {});
    this.#dropEnded(exchange);
    if (response.destroyed) return;
    this.#held.set(answer, exchange);
    if (this.#isReset || (this.#isTaken && header.holdMs === 0)) {
      this.#finish(answer);
      return;
    }
    const holdMs = Math.min(Math.max(header.holdMs, 1), this.#options.maxHoldMs());
    answer.cancelTimer = this.#env.clock.setTimer(this.#isTaken ? holdMs : this.#options.maxHoldMs(), () =>
      this.#expire(answer),
    );
    if (this.#isTaken) this.#begin(answer);
    this.#schedule();
  }

  /** A client that has ended its side waits for nothing any more. Before it is known for a client it gets what a site gives. */
  #dropEnded({ request, response }: Exchange): void {
    if (this.#isTaken && request.socket.readableEnded) response.destroy();
  }

  /** Shows at once that answers come through in pieces. */
  #begin(answer: Answer): void {
    if (answer.header.streamed && !answer.begun && !answer.stream()) this.#held.delete(answer);
  }

  #expire(answer: Answer): void {
    const exchange = this.#held.get(answer);
    if (exchange === undefined) return;
    if (this.#isTaken) this.#finish(answer);
    else this.#decline();
  }

  #finish(answer: Answer): void {
    this.#held.delete(answer);
    // Bytes go where somebody waits for them, and hold up no acknowledgements.
    answer.finish({ reset: this.#isReset, withBytes: answer.header.holdMs > 0 && !this.#isReset });
  }

  /** What is written in one turn of the event loop goes together. */
  #schedule(): void {
    if (this.#isScheduled || !this.#isTaken || this.#isOver) return;
    this.#isScheduled = true;
    process.nextTick(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const machine = this.#machine;
    const isAllSaid = machine.receivedAll && machine.endArrived;
    for (const answer of [...this.#held.keys()]) {
      if (isAllSaid) this.#finish(answer);
      if (isAllSaid) continue;
      if (!(machine.hasWork || machine.owesLimit || this.#isReset)) break;
      if (this.#isReset || !answer.header.streamed) this.#finish(answer);
      else if (!answer.stream()) this.#held.delete(answer);
    }
    this.#conn.progress();
    if (isAllSaid && this.#conn.destroyed) this.#bury();
  }

  #giveToSite({ request, response, body }: Exchange): void {
    if (!response.destroyed) this.#options.site(standInFor(request, body), response);
  }

  /** The owner does not take it for one of ours: whoever sent this gets what anybody gets. */
  #decline(): void {
    const exchanges = [...this.#held];
    this.#held.clear();
    for (const [answer, exchange] of exchanges) {
      answer.cancelTimer();
      if (answer.begun) exchange.response.destroy();
      else this.#giveToSite(exchange);
    }
    this.#forget();
    this.#conn.destroy();
  }

  #breakOff(): void {
    this.#isReset = true;
    this.#machine.clear();
    if (!this.#conn.destroyed) this.#conn.fail(new TunnelError('failed', 'the client has broken the connection off'));
  }

  #release(release: 'finished' | 'ended' | 'broken'): void {
    if (this.#isOver) return;
    if (!this.#isTaken) {
      this.#decline();
      return;
    }
    if (release === 'broken') {
      this.#isReset = true;
      this.#machine.clear();
      this.#schedule();
      this.#bury();
    } else this.#watchSilence(LAST_WORDS_MS);
  }

  /** It is over; requests that still come are told so for a while. */
  #bury(): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#env.clock.setTimer(TOMBSTONE_MS, () => this.#forget());
  }

  #watchSilence(delayMs: number): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#env.clock.setTimer(delayMs, () => {
      const leftMs = this.#lastMs + SILENT_CARRIER_MS - this.#env.clock.monotonicMs();
      if (this.#conn.destroyed || leftMs <= 0) this.#forget();
      else this.#watchSilence(leftMs);
    });
  }

  #forget(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelSilence();
    for (const [answer, exchange] of this.#held) {
      answer.cancelTimer();
      exchange.response.destroy();
    }
    this.#held.clear();
    this.#machine.clear();
    if (!this.#conn.destroyed) this.#conn.fail(new TunnelError('timed-out', 'the client has gone silent'));
    this.#options.onOver(this.#hasBegun);
  }
}
