import {
  type ControlFrame,
  type DataFrame,
  ProtocolError,
  ReceiveWindow,
  type ResetCode,
  resetCodeOf,
} from '@rozan/protocol';
import {
  CLIENT_SESSION_WINDOW,
  FIRST_WINDOWS_BYTES,
  MAX_HELD_RUNS,
  MAX_OPEN_STREAMS,
  MAX_SESSION_STREAMS,
  PROVEN_GROWTH_SHARE,
  SESSION_WINDOW,
} from '../limits.ts';
import { SessionStream, type StreamHost } from './session-stream.ts';
import { StreamIds } from './stream-ids.ts';

/** A frame that concerns a stream and holds none of its bytes. */
type StreamControl = Extract<ControlFrame, { type: 'open' | 'opened' | 'reset' | 'window' }>;

/** What a stream table needs of its session. */
export interface StreamTableOptions {
  readonly role: 'client' | 'relay';
  readonly maxStreams: number;
  /** Whether bytes that nobody reads may take more memory than they have. */
  readonly mayHoldMore: (() => boolean) | undefined;
  readonly nowMs: () => number;
  readonly roundTripMs: () => number;
  /** What streams need, but for what the table itself answers. */
  readonly host: Omit<StreamHost, 'nowMs' | 'roundTripMs' | 'growth' | 'consumed' | 'runsHeld' | 'finished'>;
  readonly onFinished: (stream: SessionStream) => void;
  /** The session's receive window has moved. */
  readonly onWindow: (limit: number) => void;
  readonly onStream: (stream: SessionStream, target: Buffer) => void;
}

/** The streams of a session: which there are, and what may still arrive for them. Every method may throw `violation`. */
export class StreamTable {
  readonly #options: StreamTableOptions;
  readonly #streams = new Map<number, SessionStream>();
  readonly #ids = new StreamIds();
  readonly #window: ReceiveWindow;
  readonly #reservedBytes: number;
  readonly #host: StreamHost;
  #nextId = 1;
  #receivedBytes = 0;
  #heldRuns = 0;

  constructor(options: StreamTableOptions) {
    this.#options = options;
    const bounds = options.role === 'client' ? CLIENT_SESSION_WINDOW : SESSION_WINDOW;
    const growthBytes = bounds.maxBytes - FIRST_WINDOWS_BYTES;
    this.#reservedBytes = growthBytes * PROVEN_GROWTH_SHARE;
    this.#window = new ReceiveWindow(bounds, options.nowMs());
    this.#host = {
      ...options.host,
      nowMs: options.nowMs,
      roundTripMs: options.roundTripMs,
      growth: { leftBytes: growthBytes },
      consumed: (bytes) => this.#consumed(bytes),
      runsHeld: (runs) => {
        this.#heldRuns += runs;
      },
      finished: (stream) => {
        this.#streams.delete(stream.id);
        options.onFinished(stream);
      },
    };
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Bytes received that no reader has taken. */
  get unreadBytes(): number {
    return this.#receivedBytes - this.#window.consumed;
  }

  get(streamId: number): SessionStream | undefined {
    return this.#streams.get(streamId);
  }

  /** A new stream of ours (client); one that is over already when too many are open. */
  create(): SessionStream {
    if (this.#streams.size >= MAX_OPEN_STREAMS) return this.refused('busy');
    const id = this.#nextId;
    this.#nextId += 1;
    const stream = this.#add(id);
    this.#widen(stream);
    return stream;
  }

  /** Lets a new stream begin with what earlier ones have shown the path to hold. */
  #widen(stream: SessionStream): void {
    stream.widen(this.#window.grownBytes / 2, this.#reservedBytes);
  }

  /** A stream of ours that is over before anybody hears of it. */
  refused(code: ResetCode): SessionStream {
    const stream = new SessionStream(0, this.#host);
    stream.sessionLost(code);
    return stream;
  }

  #add(id: number): SessionStream {
    const stream = new SessionStream(id, this.#host);
    this.#streams.set(id, stream);
    return stream;
  }

  /** A stream that the peer mentions: one that is there, or at the relay a new one; null for one that is finished. */
  #mentioned(streamId: number): SessionStream | null {
    const known = this.#streams.get(streamId);
    if (known !== undefined) return known;
    if (this.#options.role === 'client') {
      if (streamId >= this.#nextId) throw new ProtocolError('violation', 'a stream that was never opened');
      return null;
    }
    if (!this.#ids.isNew(streamId)) return null;
    if (this.#streams.size >= MAX_SESSION_STREAMS) throw new ProtocolError('violation', 'too many streams');
    return this.#add(streamId);
  }

  /** A frame that concerns a stream and holds none of its bytes. */
  onControl(frame: StreamControl): void {
    if (frame.type === 'open') this.#onOpen(frame.streamId, frame.target);
    else if (frame.type === 'opened') this.#streams.get(frame.streamId)?.noteOpened();
    else if (frame.type === 'reset') this.#onReset(frame);
    else this.#onWindowRaised(frame.streamId, frame.limit);
  }

  #onOpen(streamId: number, target: Buffer): void {
    if (this.#options.role === 'client') throw new ProtocolError('violation', 'a relay opens no streams');
    const stream = this.#mentioned(streamId);
    if (stream === null || stream.announced) return;
    stream.announced = true;
    stream.noteOpened();
    // Its RESET may have overtaken it on another carrier.
    if (stream.destroyed) return;
    if (this.#streams.size > this.#options.maxStreams) {
      stream.reset('busy');
      return;
    }
    this.#widen(stream);
    this.#options.onStream(stream, target);
  }

  /** `isSole`: the frame's bytes are the only part of their record that anybody keeps. */
  onData(frame: DataFrame, isSole: boolean): void {
    const stream = this.#mentioned(frame.streamId);
    if (stream === null) return;
    this.#received(stream.receive(frame, isSole));
    if (this.#heldRuns > MAX_HELD_RUNS) throw new ProtocolError('violation', 'too many gaps in the streams');
  }

  #onReset(frame: { readonly streamId: number; readonly code: number; readonly finalOffset: number }): void {
    const stream = this.#mentioned(frame.streamId);
    if (stream !== null) this.#received(stream.receiveReset(resetCodeOf(frame.code), frame.finalOffset));
  }

  #onWindowRaised(streamId: number, limit: number): void {
    const stream = this.#mentioned(streamId);
    if (stream === null) return;
    stream.sendQueue.raiseLimit(limit);
    this.#host.schedule(stream);
  }

  /** The session is over: all streams end with an error. */
  endAll(code: ResetCode): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.sessionLost(code);
  }

  #received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes > this.#window.limit)
      throw new ProtocolError('violation', 'bytes beyond the session window');
    if (this.#options.mayHoldMore?.() === false) return;
    const limit = this.#window.crowd(this.#receivedBytes);
    if (limit !== null) this.#options.onWindow(limit);
  }

  #consumed(bytes: number): void {
    const limit = this.#window.consume(bytes, this.#options.nowMs(), this.#options.roundTripMs());
    if (limit !== null) this.#options.onWindow(limit);
  }
}
