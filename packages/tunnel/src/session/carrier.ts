import {
  CarrierLedger,
  freeMemory,
  type KnownPath,
  ProtocolError,
  type RecordOpener,
  type RecordSealer,
} from '@rozan/protocol';
import type { Env } from '../env.ts';
import {
  ACK_BYTES,
  ACK_RECORDS,
  BUNCHED_QUEUE_MS,
  CARRIER_IN_FLIGHT,
  CARRIER_QUEUE_BYTES,
  FIRST_RECORD_BYTES,
  FREED_BYTES,
  MAX_RECORD_BYTES,
  MIN_RECORD_BYTES,
  PARTIAL_RECORD_MS,
  RECORD_TIME_MS,
} from '../limits.ts';
import type { Conn } from '../network.ts';
import { linger } from './linger.ts';
import type { SentItem } from './sent-item.ts';

/** How a carrier came to its end. */
export type CarrierLossCause =
  /** The connection ended cleanly, though nobody of ours had asked for it. */
  | 'closed'
  /** The connection broke with an error. */
  | 'reset'
  /** It was silent for too long, and another took over. */
  | 'stalled'
  /** There were too many at once, and it was the most silent. */
  | 'crowded-out'
  /** The peer gave it up. */
  | 'gone'
  /** A record was not authentic: somebody in between has changed bytes. */
  | 'not-authentic'
  /** It was replaced in time and let go. */
  | 'retired'
  /** The session ended. */
  | 'session-closed';

/** A connection whose handshake is done, ready to carry a session. */
export interface CarrierLink {
  readonly carrierId: number;
  readonly transport: string;
  readonly conn: Conn;
  readonly sealer: RecordSealer;
  readonly opener: RecordOpener;
  /** What the handshake's duration says of the round trip; null at the relay, which learns it from the first record. */
  readonly roundTripMs: number | null;
  /** The tag of the entry of the relay that forwards it; none for a direct one, and at relays. */
  readonly through?: string | undefined;
  /**
   * Takes the connection over when a record on it was not authentic. Nothing may be written to it any more, and whoever has changed the
   * bytes must not learn that it was noticed (DESIGN §3.2). It is paused, and must get a listener for errors at once. Without
   * this, it is read for a short while and closed.
   */
  readonly onUnauthentic?: ((conn: Conn) => void) | undefined;
}

/** What a carrier tells its session. */
export interface CarrierEvents {
  onRecord(carrier: Carrier, record: Buffer): void;
  /** After the records of one read: the moment to acknowledge and to send. */
  onBatch(carrier: Carrier): void;
  onWritable(carrier: Carrier): void;
  onLost(carrier: Carrier, cause: CarrierLossCause): void;
}

/**
 * A carrier that starts from what is known of the path sends so much at once, beyond what the path holds, and what more there is at this
 * multiple of the rate: what both sides pour in at once would have each one's acknowledgements wait behind all of it.
 */
const START_MS = 60;
const START_PACE = 1.25;

/** Kept of a budget for acknowledgements and RETIRE. */
const LAST_WORDS_BYTES = 600;
/** A record takes so many bytes beside its frames. */
const RECORD_HEAD_BYTES = 40;
/** A smaller record is not worth its padding. */
const LEAST_RECORD_BYTES = 512;
/** With less left of a budget, a side sends nothing but last words. */
export const SPENT_BYTES: number = LAST_WORDS_BYTES + LEAST_RECORD_BYTES;

/** One live connection under a session: seals and opens its records and counts what has happened on it. */
export class Carrier {
  readonly id: number;
  readonly transport: string;
  /** The tag of the entry of the relay that forwards it; null for a direct one. */
  readonly through: string | null;
  readonly ledger: CarrierLedger<SentItem>;
  readonly attachedMs: number;
  /** Whether a record under the carrier's own keys has come from the peer; before that it carries nothing. */
  confirmed: boolean;
  /** Silent for too long while bytes were awaited. */
  suspect = false;
  /** This side has sent its last frame on it. */
  retired = false;
  /** The peer has sent its last frame on it. */
  peerRetired = false;
  /** Bytes that this side may send on it, from its first record on: somebody in between counts. */
  sendBudgetBytes: number = Number.POSITIVE_INFINITY;
  lastReceivedMs: number;
  /** When the last record came that asks for an acknowledgement. */
  lastElicitedMs: number;
  /** When the waiting for the next answer began; meaningless while none is awaited. */
  awaitedSinceMs: number;
  receivedRecords = 0;
  bytesReceived = 0;
  bytesSent = 0;
  /** Pings since anything else happened. */
  idlePings = 0;

  readonly #env: Env;
  readonly #link: CarrierLink;
  readonly #events: CarrierEvents;
  readonly #isPathKnown: boolean;
  #elicitedRecords = 0;
  #elicitedBytes = 0;
  #sentRecords = 0;
  #firstSentMs = 0;
  /** When the first bytes came behind the last whole record. */
  #partialSinceMs: number | null = null;
  #over = false;
  readonly #onData = (chunk: Buffer): boolean => {
    this.#receive(chunk);
    return true;
  };
  readonly #listeners = {
    error: () => this.#lose('reset'),
    end: () => this.#ended(),
    close: () => this.#ended(),
    drain: () => this.#events.onWritable(this),
  };

  constructor(env: Env, link: CarrierLink, options: { events: CarrierEvents; confirmed: boolean; path: KnownPath }) {
    const nowMs = env.clock.monotonicMs();
    this.id = link.carrierId;
    this.transport = link.transport;
    this.through = link.through ?? null;
    this.confirmed = options.confirmed;
    this.attachedMs = nowMs;
    this.lastReceivedMs = nowMs;
    this.lastElicitedMs = nowMs;
    this.awaitedSinceMs = nowMs;
    this.#env = env;
    this.#link = link;
    this.#events = options.events;
    this.#isPathKnown = options.path.rate > 0;
    const bounds =
      link.conn.roomBytes === undefined ? CARRIER_IN_FLIGHT : { ...CARRIER_IN_FLIGHT, queueMs: BUNCHED_QUEUE_MS };
    this.ledger = new CarrierLedger(bounds, {
      nowMs,
      roundTripMs: link.roundTripMs ?? 0,
      ...options.path,
    });
  }

  /** Begins to read. `leftover`: bytes that came behind the handshake. */
  start(leftover: Buffer): void {
    const { conn } = this.#link;
    if (conn.destroyed) {
      this.#lose('closed');
      return;
    }
    for (const [event, listener] of Object.entries(this.#listeners)) conn.on(event, listener);
    if (leftover.length > 0) this.#receive(leftover);
    if (this.#over) return;
    if (conn.borrowReads === undefined) conn.on('data', this.#onData);
    else conn.borrowReads(this.#onData);
    conn.resume();
  }

  get lost(): boolean {
    return this.#over;
  }

  /** Whether new frames may go over it. */
  get usable(): boolean {
    return this.confirmed && !this.retired && !this.peerRetired && !this.#over && !this.isSpent;
  }

  /** Whether nothing but last words may be sent on it any more. */
  get isSpent(): boolean {
    return this.sendBudgetBytes - this.bytesSent < SPENT_BYTES;
  }

  /** What may still be sent, but for the last words. */
  get #budgetLeft(): number {
    return this.sendBudgetBytes - this.bytesSent - LAST_WORDS_BYTES;
  }

  /** Whether it takes more bytes now. */
  get writable(): boolean {
    const { writableLength, roomBytes = CARRIER_QUEUE_BYTES } = this.#link.conn;
    return writableLength < roomBytes && !this.isSpent;
  }

  /** Whether stream bytes may be added to what is in flight, here and on carriers that this one takes over from. */
  hasRoom(elsewhereBytes: number): boolean {
    const { inFlightBytes, windowBytes, rate, leastRttMs } = this.ledger;
    const ageMs = this.#env.clock.monotonicMs() - this.#firstSentMs;
    const startBytes = this.#isPathKnown ? rate * (leastRttMs + START_MS + START_PACE * ageMs) : windowBytes;
    const roomBytes = Math.min(windowBytes, startBytes);
    return this.writable && inFlightBytes < Math.max(roomBytes - elsewhereBytes, roomBytes / 4);
  }

  /** The plaintext bytes that a record should have now: small on a slow carrier, so that none takes long. */
  get recordBytes(): number {
    // The relay answers to the first one and not before, so it has to be there soon.
    if (this.#sentRecords === 0) return Math.min(MIN_RECORD_BYTES, this.mostRecordBytes);
    const { rate } = this.ledger;
    const bytes = rate === 0 ? FIRST_RECORD_BYTES : Math.max(MIN_RECORD_BYTES, Math.floor(rate * RECORD_TIME_MS));
    return Math.min(MAX_RECORD_BYTES, bytes, this.mostRecordBytes);
  }

  /** The plaintext bytes that a record may have at most; infinite without a budget. */
  get mostRecordBytes(): number {
    return this.#budgetLeft - RECORD_HEAD_BYTES;
  }

  #receive(chunk: Buffer): void {
    if (this.#over) return;
    const nowMs = this.#env.clock.monotonicMs();
    this.bytesReceived += chunk.length;
    // Bytes alone are no sign of life for ever: with a length that somebody has changed a record would never be whole.
    if (nowMs - (this.#partialSinceMs ?? nowMs) < PARTIAL_RECORD_MS) this.#noteLife(nowMs);
    this.#partialSinceMs ??= nowMs;
    try {
      this.#link.opener.push(chunk);
      for (let record = this.#link.opener.next(); record !== null; record = this.#link.opener.next()) {
        this.receivedRecords += 1;
        this.#partialSinceMs = null;
        this.#noteLife(nowMs);
        if (!this.confirmed) this.#confirm();
        this.#events.onRecord(this, record);
        if (this.#over) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#handOver();
      this.#events.onLost(this, 'not-authentic');
      return;
    }
    this.#events.onBatch(this);
  }

  #noteLife(nowMs: number): void {
    this.lastReceivedMs = nowMs;
    this.suspect = false;
  }

  #confirm(): void {
    this.confirmed = true;
    this.ledger.seedRoundTrip(Math.max(0.1, this.lastReceivedMs - this.attachedMs));
  }

  /** Notes that a received record asks for an acknowledgement. */
  elicited(bytes: number): void {
    this.lastElicitedMs = this.lastReceivedMs;
    this.#elicitedRecords += 1;
    this.#elicitedBytes += bytes;
  }

  get owesAck(): boolean {
    return this.#elicitedRecords > 0;
  }

  /** Whether enough has come to acknowledge at once. */
  get owesAckNow(): boolean {
    return this.#elicitedRecords >= ACK_RECORDS || this.#elicitedBytes >= ACK_BYTES;
  }

  /** The acknowledgement that was sent last may be lost. */
  oweAgain(): void {
    if (this.receivedRecords > 0) this.#elicitedRecords = Math.max(1, this.#elicitedRecords);
  }

  /** Notes that the present `receivedRecords` have been acknowledged. */
  acked(): void {
    this.#elicitedRecords = 0;
    this.#elicitedBytes = 0;
  }

  /** Gathers the records written until `uncork` into one write. */
  cork(): void {
    this.#link.conn.cork();
  }

  uncork(): void {
    this.#link.conn.uncork();
  }

  /** Seals and writes one record. `items`: what asks for an acknowledgement; `idle`: there is nothing more to send. */
  send(pieces: Buffer[], options: { items: readonly SentItem[]; idle: boolean; isPing: boolean }): void {
    const nowMs = this.#env.clock.monotonicMs();
    const { conn, sealer } = this.#link;
    const chunks = sealer.seal(pieces);
    let bytes = 0;
    const free = conn.forgetsWrites ? freeMemory : null;
    for (const chunk of chunks) {
      bytes += chunk.length;
      if (free === null || chunk.length < FREED_BYTES) conn.write(chunk);
      else conn.write(chunk, () => free(chunk));
    }
    if (this.#sentRecords === 0) this.#firstSentMs = nowMs;
    this.bytesSent += bytes;
    if (options.items.length > 0) {
      if (!options.isPing) this.idlePings = 0;
      // A ping asks about the silence before it; what else is sent starts the waiting.
      if (!this.ledger.outstanding) {
        this.awaitedSinceMs = options.isPing ? Math.max(this.lastReceivedMs, nowMs - 2000) : nowMs;
      }
      this.ledger.sent(this.#sentRecords, { bytes, idle: options.idle, items: options.items }, nowMs);
    } else {
      this.ledger.sentQuietly(this.#sentRecords, bytes);
    }
    this.#sentRecords += 1;
  }

  /** Milliseconds for which an awaited answer, or a retired carrier's end, has been missing; 0 while nothing is awaited. */
  silentMs(nowMs: number): number {
    return this.ledger.outstanding || this.retired ? nowMs - Math.max(this.lastReceivedMs, this.awaitedSinceMs) : 0;
  }

  #ended(): void {
    // The peer has seen all that was sent, or it would not have retired it too: its acknowledgements are still queueing on other carriers.
    // Should they not come, the carrier counts as silent.
    if (this.retired && this.peerRetired) return;
    if (this.retired || this.peerRetired) this.#lose('retired');
    else this.#lose('closed');
  }

  #lose(cause: CarrierLossCause): void {
    if (this.#over) return;
    this.#letGo();
    this.#events.onLost(this, cause);
  }

  /** Leaves the connection, on which nothing can be believed any more, to whoever takes such. */
  #handOver(): void {
    const { conn, onUnauthentic } = this.#link;
    if (onUnauthentic === undefined) {
      this.#letGo();
      return;
    }
    this.#over = true;
    conn.pause();
    conn.borrowReads?.(null);
    conn.off('data', this.#onData);
    onUnauthentic(conn);
    // Last, so that an error always finds a listener.
    for (const [event, listener] of Object.entries(this.#listeners)) conn.off(event, listener);
  }

  /** Gives the carrier up without telling the session: reads and discards what still comes, and closes late. */
  abandon(): void {
    if (!this.#over) this.#letGo();
  }

  /** Closes after everything written has gone out. */
  finish(): void {
    if (this.#over) return;
    this.#link.conn.end();
    this.#letGo();
  }

  #letGo(): void {
    this.#over = true;
    const { conn } = this.#link;
    conn.borrowReads?.(null);
    conn.removeAllListeners('data');
    conn.removeAllListeners('drain');
    linger(this.#env, conn);
  }
}
