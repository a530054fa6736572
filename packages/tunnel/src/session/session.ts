import {
  type ControlFrame,
  decodeFrames,
  ProtocolError,
  type ResetCode,
  resetCodeNumber,
  resetCodeOf,
} from '@rozan/protocol';
import type { CancelTimer, Env } from '../env.ts';
import { ACK_DELAY_MS, MAX_SESSION_STREAMS, SESSION_PENDING_BYTES } from '../limits.ts';
import { Carrier, type CarrierLink, type CarrierLossCause } from './carrier.ts';
import { CarrierSet } from './carrier-set.ts';
import { Datagrams } from './datagrams.ts';
import { EarlyShaper } from './early-shape.ts';
import { RecordWriter } from './record-writer.ts';
import type { SessionOptions } from './session-options.ts';
import type { SessionStream } from './session-stream.ts';
import { SilenceWatch } from './silence-watch.ts';
import { StreamTable } from './stream-table.ts';

/** Frames of whose memory somebody may keep a part. */
const HELD_TYPES: ReadonlySet<string> = new Set(['data', 'open', 'datagram']);

/**
 * The long-lived association of a client and a relay: streams above, carriers below, either end alike. It does not dial and knows no
 * transport; whoever owns it adds carriers. With none it waits, and loses nothing.
 */
export class Session {
  /** Its datagram flows. */
  readonly datagrams: Datagrams;
  readonly #env: Env;
  readonly #options: SessionOptions;
  readonly #carriers: CarrierSet;
  readonly #writer: RecordWriter;
  readonly #streams: StreamTable;
  readonly #silence: SilenceWatch;
  #pumpScheduled = false;
  #cancelAckTimer: CancelTimer | null = null;
  #closed = false;

  constructor(env: Env, options: SessionOptions) {
    this.#env = env;
    this.#options = options;
    this.datagrams = new Datagrams({
      ...options,
      clock: env.clock,
      schedule: () => this.#schedulePump(),
      sendControl: (frame) => this.#control(frame),
      mayHoldMore: () => options.mayHoldMore?.() ?? true,
    });
    this.#writer = new RecordWriter(
      env.random,
      this.datagrams.queue,
      options.role === 'client' ? new EarlyShaper(env.random) : null,
    );
    this.#carriers = new CarrierSet((item) => this.#writer.requeue(item));
    this.#streams = this.#createStreamTable();
    this.#silence = new SilenceWatch(
      env,
      () => this.carriers,
      (carrier) => this.giveUp(carrier),
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Streams that are not finished. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** The carriers that are not lost. */
  get carriers(): readonly Carrier[] {
    return this.#carriers.alive;
  }

  /** How many carriers are in use at once: the newest ones, while there are so many (client). Both sides keep to it. */
  bond(carriers: number): void {
    this.#carriers.bond(carriers);
    this.#control({ type: 'bond', carriers });
  }

  /** Whether a carrier is there that takes data. */
  get attached(): boolean {
    return this.#carriers.isUsable;
  }

  /** Bytes held for this session: in flight, waiting for a carrier, waiting for a reader. */
  get heldBytes(): number {
    const waiting = this.#writer.pendingBytes + this.datagrams.queue.bytes;
    return this.#carriers.inFlightBytes + waiting + this.#streams.unreadBytes;
  }

  /** Adds a carrier whose handshake is done. `confirmed`: the peer has proved that it holds the carrier's keys (docs/spec/wire.md). */
  addCarrier(link: CarrierLink, options: { confirmed: boolean; leftover: Buffer }): Carrier {
    const carrier = new Carrier(this.#env, link, {
      confirmed: options.confirmed,
      path: this.#carriers.knownPath,
      events: {
        onRecord: (source, record) => this.#onRecord(source, record),
        onBatch: (source) => this.#onBatch(source),
        onWritable: () => this.#schedulePump(),
        onLost: (lost, cause) => this.#onLost(lost, cause),
      },
    });
    if (this.#closed) {
      carrier.finish();
      return carrier;
    }
    const crowdedOut = this.#carriers.crowdedOut(this.#options.role);
    if (crowdedOut !== null) this.giveUp(crowdedOut, crowdedOut.suspect ? 'stalled' : 'crowded-out');
    this.#carriers.add(carrier);
    if (this.#options.role === 'relay') this.#silence.start();
    if (options.confirmed) {
      // The relay may use the carrier only when a record of ours has come, so there has to be one.
      if (this.#carriers.inUse.length > 1) this.ping(carrier);
      else this.#writer.control({ type: 'ping' });
      this.#live(carrier);
    }
    carrier.start(options.leftover);
    return carrier;
  }

  /** Whether a carrier with this number may be added: numbers are used once. One too many takes the place of the most silent. */
  mayAdd(carrierId: number): boolean {
    return !this.#closed && this.#carriers.mayAdd(carrierId);
  }

  #live(carrier: Carrier): void {
    this.#options.events.onCarrierLive?.(carrier);
    this.#schedulePump();
  }

  /**
   * Opens a stream to an encoded target (client). The OPEN frame and the first bytes travel together. When too many are open, or the
   * session is over, the stream is one that has been reset.
   */
  openStream(target: Buffer): SessionStream {
    if (this.#closed) return this.#streams.refused('session-lost');
    const stream = this.#streams.create();
    if (!stream.destroyed) this.#control({ type: 'open', streamId: stream.id, target });
    return stream;
  }

  /** Tells the client that the target of its stream is connected (relay). */
  sendOpened(stream: SessionStream): void {
    this.#control({ type: 'opened', streamId: stream.id });
  }

  /** Asks the client to open new streams elsewhere (relay). */
  sendDrain(): void {
    this.#control({ type: 'drain' });
  }

  /** Bounds what either side sends on a carrier: somebody in between counts (client). */
  setBudget(carrier: Carrier, bytes: { readonly own: number; readonly peer: number }): void {
    carrier.sendBudgetBytes = bytes.own;
    this.#writer.write(carrier, { acks: [], frames: [{ type: 'budget', limit: bytes.peer }], isPing: false });
  }

  /** Asks the peer for a sign of life over this carrier. */
  ping(carrier: Carrier): void {
    this.#writer.write(carrier, { acks: this.#carriers.owing, frames: [{ type: 'ping' }], isPing: true });
  }

  /** Lets a carrier go in peace: nothing new goes over it, and it is closed when both sides have nothing more on it. */
  retire(carrier: Carrier): void {
    if (carrier.retired || carrier.lost) return;
    this.#writer.write(carrier, { acks: this.#carriers.owing, frames: [{ type: 'retire' }], isPing: false });
    carrier.retired = true;
    this.#finishRetired(carrier);
  }

  /** Gives a silent carrier up: what it did not deliver goes over others. The connection itself is closed late. */
  giveUp(carrier: Carrier, cause: 'stalled' | 'crowded-out' = 'stalled'): void {
    if (carrier.lost) return;
    carrier.abandon();
    this.#onLost(carrier, cause);
  }

  /** Ends the session and resets its streams. The peer hears of it where a carrier is there. */
  close(code: ResetCode): void {
    if (this.#closed) return;
    const carrier = this.#carriers.pick();
    const frames: ControlFrame[] = [{ type: 'close', code: resetCodeNumber(code) }];
    if (carrier !== null) this.#writer.write(carrier, { acks: [], frames, isPing: false });
    this.#end(code, 'us');
  }

  #end(code: ResetCode, by: 'us' | 'peer'): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelAckTimer?.();
    this.#silence.stop();
    for (const carrier of this.#carriers.alive) {
      carrier.finish();
      this.#options.events.onCarrierLost?.(carrier, 'session-closed');
    }
    this.#carriers.clear();
    this.#streams.endAll(code);
    this.datagrams.end();
    this.#options.events.onClosed?.(code, by);
  }

  // --- sending --------------------------------------------------------------------------------------------------------------------

  #control(frame: ControlFrame): void {
    if (this.#closed) return;
    this.#writer.control(frame);
    this.#schedulePump();
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#closed) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#closed) this.#writer.flush(this.#carriers);
    if (this.#takesBytes()) this.#writer.resumeWriters();
    this.#setAckTimer();
    this.#options.events.onHeldBytes?.(this.heldBytes);
  }

  /** Looks again whether something can be sent or taken. */
  wake(): void {
    this.#schedulePump();
  }

  #takesBytes(): boolean {
    return this.attached && (this.#options.mayHoldMore?.() ?? true);
  }

  #setAckTimer(): void {
    if (this.#cancelAckTimer !== null || this.#closed || this.#carriers.owing.length === 0) return;
    this.#cancelAckTimer = this.#env.clock.setTimer(ACK_DELAY_MS, () => {
      this.#cancelAckTimer = null;
      const carrier = this.#carriers.pick();
      // Where the connection takes nothing now, the next chance is when it does.
      if (carrier?.writable) this.#writer.write(carrier, { acks: this.#carriers.owing, frames: [], isPing: false });
    });
  }

  #createStreamTable(): StreamTable {
    const { role, maxStreams = MAX_SESSION_STREAMS, mayHoldMore, events } = this.#options;
    return new StreamTable({
      ...{ role, maxStreams, mayHoldMore },
      nowMs: () => this.#env.clock.monotonicMs(),
      roundTripMs: () => this.#carriers.roundTripMs,
      onStream: (stream, target) => events.onStream?.(stream, target),
      onWindow: (limit) => this.#control({ type: 'session-window', limit }),
      onFinished: (stream) => this.#writer.forget(stream),
      host: {
        schedule: (stream) => {
          this.#writer.schedule(stream);
          this.#schedulePump();
        },
        takesMore: (stream) => {
          if (this.#writer.pendingBytes < SESSION_PENDING_BYTES && this.#takesBytes()) return true;
          this.#writer.hold(stream);
          return false;
        },
        pendingAdded: (bytes) => this.#writer.pendingAdded(bytes),
        sendWindow: (stream, limit) => this.#control({ type: 'window', streamId: stream.id, limit }),
        sendReset: (stream, code) => {
          const finalOffset = stream.sendQueue.offset;
          this.#control({ type: 'reset', streamId: stream.id, code: resetCodeNumber(code), finalOffset });
        },
      },
    });
  }

  // --- receiving ------------------------------------------------------------------------------------------------------------------

  #onRecord(carrier: Carrier, record: Buffer): void {
    const first = carrier.receivedRecords === 1 && this.#options.role === 'relay';
    try {
      let eliciting = false;
      const frames = decodeFrames(record);
      const isSole = frames.filter(({ type }) => HELD_TYPES.has(type)).length === 1;
      for (const frame of frames) {
        if (frame.type !== 'ack' && frame.type !== 'arrival') eliciting = true;
        if (HELD_TYPES.has(frame.type)) carrier.idlePings = 0;
        if (frame.type === 'data') this.#streams.onData(frame, isSole);
        else if (frame.type === 'datagram') this.datagrams.receive(frame);
        else this.#onFrame(carrier, frame);
        if (this.#closed) return;
      }
      this.#writer.checkAnswers();
      if (eliciting) carrier.elicited(record.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#env.log({ event: 'session.violated', what: error.message });
      this.close('internal');
    }
    if (first && !this.#closed) this.#live(carrier);
  }

  #onBatch(carrier: Carrier): void {
    if (carrier.owesAckNow && this.#carriers.pick()?.writable) this.#writer.requestAck();
    this.#setAckTimer();
    this.#schedulePump();
    this.#options.events.onProgress?.(carrier);
  }

  #onFrame(carrier: Carrier, frame: ControlFrame): void {
    switch (frame.type) {
      case 'ping':
        return;
      case 'arrival':
        this.#carriers.get(frame.carrierId)?.ledger.noteArrival(frame.timeUs / 1000);
        return;
      case 'ack':
        this.#onAck(frame.carrierId, frame.records);
        return;
      case 'open':
      case 'opened':
      case 'reset':
      case 'window':
        this.#streams.onControl(frame);
        return;
      case 'session-window':
        this.#writer.raiseLimit(frame.limit);
        return;
      case 'retire':
        this.#onRetire(carrier);
        return;
      case 'gone':
        this.#onGone(frame.carrierId);
        return;
      case 'close-flow':
        this.datagrams.onCloseFlow(frame.flowId);
        return;
      case 'bond':
        this.#carriers.bond(frame.carriers);
        return;
      case 'budget':
        carrier.sendBudgetBytes = frame.limit;
        return;
      case 'drain':
        this.#options.events.onDrain?.();
        return;
      case 'close':
        this.#end(resetCodeOf(frame.code), 'peer');
        return;
    }
  }

  #onAck(carrierId: number, records: number): void {
    const nowMs = this.#env.clock.monotonicMs();
    const carrier = this.#carriers.get(carrierId);
    const items = this.#carriers.acknowledge(carrierId, records, nowMs);
    for (const item of items) {
      if (item.stream !== null) item.stream.pieceAcknowledged(item.piece);
      else if (item.frame.type === 'reset') this.#streams.get(item.frame.streamId)?.endAcknowledged();
      if (item.stream === null && carrier !== null) this.#writer.frameOver(item.frame);
    }
    // The answer may come over another carrier, and is a sign of life of this one all the same.
    if (carrier !== null && items.length > 0) carrier.awaitedSinceMs = nowMs;
    if (carrier?.retired) this.#finishRetired(carrier);
  }

  #onRetire(carrier: Carrier): void {
    carrier.peerRetired = true;
    if (!carrier.retired) this.retire(carrier);
    else this.#finishRetired(carrier);
  }

  /** Closes a retired carrier once the peer has retired it too; its connection ends in order, so nothing on it is lost. */
  #finishRetired(carrier: Carrier): void {
    if (!carrier.retired || !carrier.peerRetired || carrier.lost || carrier.ledger.outstanding) return;
    carrier.finish();
    this.#carriers.drop(carrier);
    // The peer's last records on it are acknowledged over another carrier.
    this.#control({ type: 'ack', carrierId: carrier.id, records: carrier.receivedRecords });
    this.#options.events.onCarrierLost?.(carrier, 'retired');
  }

  #onGone(carrierId: number): void {
    const carrier = this.#carriers.get(carrierId);
    if (carrier !== null) {
      carrier.finish();
      this.#onLost(carrier, 'gone');
    }
    this.#control({ type: 'ack', carrierId, records: this.#carriers.recordsReceived(carrierId) });
  }

  #onLost(carrier: Carrier, cause: CarrierLossCause): void {
    if (this.#closed) return;
    if (this.#carriers.lose(carrier)) this.#control({ type: 'gone', carrierId: carrier.id });
    this.#schedulePump();
    this.#options.events.onCarrierLost?.(carrier, cause);
  }
}
