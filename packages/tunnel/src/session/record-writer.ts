import { type ControlFrame, dataHeaderBytes, ProtocolError, RecordBuilder } from '@rozan/protocol';
import type { Random } from '../env.ts';
import {
  MAX_UNACKNOWLEDGED_FRAMES,
  MAX_WAITING_FRAMES,
  SESSION_PENDING_BYTES,
  SESSION_WINDOW,
  SMALL_RECORD_BYTES,
  SMALL_RECORD_PADDING_BYTES,
} from '../limits.ts';
import type { Carrier } from './carrier.ts';
import { type CarrierSet, lately } from './carrier-set.ts';
import type { DatagramQueue } from './datagram-queue.ts';
import { type EarlyShaper, UNSHAPED } from './early-shape.ts';
import { laneForBytes, soonest } from './schedule.ts';
import type { SentItem } from './sent-item.ts';
import type { SessionStream } from './session-stream.ts';

/** Room below this is not worth a further piece. */
const LEAST_PIECE_BYTES = 512;

/** What is kept of a record's datagrams: like a ping, they are acknowledged, and never sent again. */
const DATAGRAMS: SentItem = { stream: null, frame: { type: 'ping' } };

/** Frames that mean nothing on another carrier. */
const OF_ITS_CARRIER: ReadonlySet<ControlFrame['type']> = new Set(['ping', 'retire', 'budget']);

/** The sending side of a session: what waits, in which order it goes, and how it is put into records. */
export class RecordWriter {
  readonly #random: Random;
  readonly #datagrams: DatagramQueue;
  readonly #shaper: EarlyShaper | null;
  readonly #builder = new RecordBuilder();
  #control: ControlFrame[] = [];
  /** Streams with something to send, in the order of their turns. */
  readonly #sendable = new Set<SessionStream>();
  /** Streams whose application waits to write on. */
  readonly #holding = new Set<SessionStream>();
  #pendingBytes = 0;
  #sentBytes = 0;
  #limit = SESSION_WINDOW.initialBytes;
  #ackRequested = false;
  #bond: ControlFrame | null = null;
  /** From when arrival times count. */
  #originMs: number | null = null;
  #unacknowledgedFrames = 0;

  /** `shaper`: says how a carrier's first records are padded; none at the side whose bursts answer. */
  constructor(random: Random, datagrams: DatagramQueue, shaper: EarlyShaper | null) {
    this.#random = random;
    this.#datagrams = datagrams;
    this.#shaper = shaper;
  }

  /** Bytes that streams hold and no carrier has taken. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Throws a `violation` when the peer asks for more answers than it takes, or acknowledges. */
  checkAnswers(): void {
    if (this.#control.length > MAX_WAITING_FRAMES || this.#unacknowledgedFrames > MAX_UNACKNOWLEDGED_FRAMES) {
      throw new ProtocolError('violation', 'too many answers wait');
    }
  }

  /** A frame that a carrier took has been acknowledged, or its carrier is lost. */
  frameOver(frame: ControlFrame): void {
    if (frame.type !== 'ping') this.#unacknowledgedFrames -= 1;
  }

  pendingAdded(bytes: number): void {
    this.#pendingBytes += bytes;
  }

  /** The peer takes so many bytes over all streams. */
  raiseLimit(limit: number): void {
    if (limit > this.#limit) this.#limit = limit;
  }

  control(frame: ControlFrame): void {
    if (frame.type === 'bond') this.#bond = frame;
    this.#control.push(frame);
  }

  schedule(stream: SessionStream): void {
    this.#sendable.add(stream);
  }

  /** The stream's application waits until `resumeWriters` finds room. */
  hold(stream: SessionStream): void {
    this.#holding.add(stream);
  }

  forget(stream: SessionStream): void {
    this.#sendable.delete(stream);
    this.#holding.delete(stream);
  }

  /** The next record carries what acknowledgements are owed, even if it carries nothing else. */
  requestAck(): void {
    this.#ackRequested = true;
  }

  /** Takes back what a lost carrier did not deliver. */
  requeue(item: SentItem): void {
    if (item.stream !== null) {
      item.stream.pieceLost(item.piece);
      return;
    }
    this.frameOver(item.frame);
    // Of two that say how many carriers are in use, the older must not come last.
    const isStale = item.frame.type === 'bond' && item.frame !== this.#bond;
    if (!(isStale || OF_ITS_CARRIER.has(item.frame.type))) this.#control.push(item.frame);
  }

  /** Lets applications write on, first come first served, as far as there is room. */
  resumeWriters(): void {
    for (const stream of this.#holding) {
      if (this.#pendingBytes >= SESSION_PENDING_BYTES && stream.sendQueue.pendingBytes > 0) continue;
      this.#holding.delete(stream);
      stream.resumeWriting();
    }
  }

  /** Writes one record with exactly these frames, and the acknowledgements owed. */
  write(
    carrier: Carrier,
    options: { acks: readonly Carrier[]; frames: readonly ControlFrame[]; isPing: boolean },
  ): void {
    const items: SentItem[] = [];
    this.#addAcks(options.acks);
    for (const frame of options.frames) this.#addControl(frame, items);
    this.#send(carrier, { items, isPing: options.isPing });
  }

  /** Writes what waits and may go now, over all carriers that are in use. */
  flush(carriers: CarrierSet): void {
    if (!this.#hasWork(carriers)) return;
    const { inUse } = carriers;
    for (const carrier of inUse) carrier.cork();
    const elsewhereBytes = carriers.bytesBefore(inUse);
    while (this.#hasWork(carriers) && this.#writeNext(inUse, { carriers, elsewhereBytes }));
    for (const carrier of inUse) carrier.uncork();
  }

  /** Whether anything waits: most of what happens to a session leaves nothing to send. */
  #hasWork(carriers: CarrierSet): boolean {
    if (this.#control.length > 0 || this.#sendable.size > 0 || !this.#datagrams.isEmpty) return true;
    return this.#ackRequested && carriers.owing.length > 0;
  }

  /** Writes the next record of what waits; false when there is nothing that may go now. */
  #writeNext(inUse: readonly Carrier[], among: { carriers: CarrierSet; elsewhereBytes: number }): boolean {
    const { elsewhereBytes } = among;
    const { owing } = among.carriers;
    const isAckDue = this.#ackRequested && owing.length > 0;
    const carrier = this.#laneFor(inUse, { isUrgent: isAckDue || this.#control.length > 0, elsewhereBytes });
    if (carrier === null) return false;
    const items: SentItem[] = [];
    const roomBytes = carrier.recordBytes;
    this.#addControls(roomBytes, items);
    if (carrier.hasRoom(elsewhereBytes)) this.#addBytes({ roomBytes, mostBytes: carrier.mostRecordBytes }, items);
    if (items.length === 0 && !isAckDue) return false;
    this.#addAcks(owing);
    this.#send(carrier, { items, isPing: false });
    return true;
  }

  /** `isUrgent`: there is something that must not wait for room. */
  #laneFor(inUse: readonly Carrier[], work: { isUrgent: boolean; elsewhereBytes: number }): Carrier | null {
    const writable = inUse.filter((carrier) => carrier.writable);
    if (work.isUrgent || inUse.length === 1) return soonest(lately(writable), 0);
    const waitingBytes = this.#holding.size > 0 ? Number.POSITIVE_INFINITY : this.#pendingBytes + this.#datagrams.bytes;
    return laneForBytes(writable, { ...work, waitingBytes });
  }

  #addControls(roomBytes: number, items: SentItem[]): void {
    const frames = this.#control;
    let taken = 0;
    for (const frame of frames) {
      if (this.#builder.bytes >= roomBytes) break;
      this.#addControl(frame, items);
      taken += 1;
    }
    if (taken > 0) this.#control = frames.slice(taken);
  }

  #addAcks(carriers: readonly Carrier[]): void {
    this.#ackRequested = false;
    for (const carrier of carriers) {
      this.#originMs ??= carrier.attachedMs;
      const timeUs = Math.max(0, Math.round(1000 * (carrier.lastElicitedMs - this.#originMs)));
      this.#builder.control({ type: 'arrival', carrierId: carrier.id, timeUs });
      this.#builder.control({ type: 'ack', carrierId: carrier.id, records: carrier.receivedRecords });
      carrier.acked();
    }
  }

  #addControl(frame: ControlFrame, items: SentItem[]): void {
    this.#builder.control(frame);
    if (frame.type !== 'ping') this.#unacknowledgedFrames += 1;
    items.push({ stream: null, frame });
  }

  /** Adds bytes of streams and datagrams, which share the room. */
  #addBytes(room: { readonly roomBytes: number; readonly mostBytes: number }, items: SentItem[]): void {
    const shared = this.#sendable.size > 0;
    if (this.#datagrams.fill(this.#builder, { ...room, shared })) items.push(DATAGRAMS);
    this.#addData(room.roomBytes, items);
    // Streams that are held up by their windows hold up nobody else.
    if (items.length > 0 || !shared) return;
    if (this.#datagrams.fill(this.#builder, { ...room, shared: false })) items.push(DATAGRAMS);
  }

  #addData(roomBytes: number, items: SentItem[]): void {
    let skipped = 0;
    while (skipped < this.#sendable.size) {
      const [stream] = this.#sendable;
      if (stream === undefined) return;
      const leftBytes =
        roomBytes - this.#builder.bytes - dataHeaderBytes(stream.id, stream.sendQueue.offset, roomBytes);
      // A small rest of room is left empty: a piece of a few bytes costs a frame here and a copy there.
      if (leftBytes <= 0 || (items.length > 0 && leftBytes < LEAST_PIECE_BYTES)) return;
      const credit = this.#limit - this.#sentBytes;
      const next = stream.takePiece(leftBytes, credit);
      this.#sendable.delete(stream);
      if (next === null) {
        // Held up by the session's window it waits for its turn; otherwise whatever brings new work schedules it again.
        if (!stream.sendQueue.hasWork(Number.POSITIVE_INFINITY)) continue;
        this.#sendable.add(stream);
        skipped += 1;
        continue;
      }
      this.#sentBytes += next.fresh;
      this.#builder.data({ streamId: stream.id, ...next.piece });
      items.push({ stream, piece: next.piece });
      if (stream.sendQueue.hasWork(Number.POSITIVE_INFINITY)) this.#sendable.add(stream);
    }
  }

  #send(carrier: Carrier, options: { items: readonly SentItem[]; isPing: boolean }): void {
    // An acknowledgement that has to arrive asks for no answer by itself.
    const isQuiet = options.items.every((item) => item.stream === null && item.frame.type === 'ack');
    if (options.items.length > 0 && isQuiet) this.#builder.control({ type: 'ping' });
    const plainBytes = this.#builder.bytes;
    const { inside, behind } = this.#shaper?.shape(carrier, plainBytes) ?? UNSHAPED;
    if (inside !== null && inside > 0) this.#builder.padding(inside);
    else if (plainBytes === 0 || (inside === null && plainBytes < SMALL_RECORD_BYTES)) {
      this.#builder.padding(1 + Math.floor(this.#random.fraction() * SMALL_RECORD_PADDING_BYTES));
    }
    const idle = this.#sendable.size === 0 && this.#datagrams.isEmpty;
    carrier.send(this.#builder.take(), { ...options, idle });
    if (behind === 0) return;
    this.#builder.padding(behind);
    carrier.send(this.#builder.take(), { items: [], isPing: false, idle });
  }
}
