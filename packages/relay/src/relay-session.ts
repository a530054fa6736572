import {
  decodeTarget,
  idsToAdd,
  idsToRemove,
  type LookupMove,
  lookupKeyOf,
  ProtocolError,
  type ResetCode,
  type Target,
} from '@rozan/protocol';
import {
  type Carrier,
  type CarrierLink,
  type Conn,
  type Env,
  Session,
  type SessionStream,
  sleep,
  splice,
} from '@rozan/tunnel';
import type { DatagramNat } from './datagrams/nat.ts';
import { SessionFlows } from './datagrams/session-flows.ts';
import type { DatagramCounters } from './datagrams/tally.ts';
import type { Egress } from './egress/dial.ts';
import { EgressError } from './egress/egress-error.ts';
import type { DetachedList } from './limits/detached-list.ts';
import type { EvictionCause, MemoryBudget, SessionAccount } from './limits/memory-budget.ts';
import type { SessionPermit } from './limits/source-limits.ts';

/** What a relay's sessions share. */
export interface RelaySessionContext {
  readonly env: Env;
  readonly egress: Egress;
  readonly nat: DatagramNat;
  readonly budget: MemoryBudget;
  /** Those whose first carrier died before anything came on it. */
  readonly unconfirmed: Pick<DetachedList<RelaySession>, 'add' | 'delete'>;
  readonly streamsPerSession: number;
  readonly counters: SessionCounters;
}

/** Counts what happens in sessions; see metrics/. */
export interface SessionCounters extends DatagramCounters {
  streamOpened(): void;
  streamClosed(): void;
  dialled(outcome: 'connected' | ResetCode): void;
  moved(bytes: { readonly up: number; readonly down: number }): void;
  carrierAttached(): void;
  carrierLost(cause: string): void;
}

/** Where a session's lookup ids are kept. */
export interface LookupTable {
  set(id: string, session: RelaySession): unknown;
  delete(id: string): void;
}

/** One client's session at the relay: its streams lead to the egress, its memory is accounted for, its lookup ids are kept in the table. */
export class RelaySession {
  readonly secret: Buffer;
  readonly permit: SessionPermit;
  readonly session: Session;
  readonly #context: RelaySessionContext;
  readonly #table: LookupTable;
  readonly #lookupKey: Buffer;
  /** The lookup ids by which the session is found, and the counters they stand for: each costs a hash to make. */
  readonly #held = new Map<string, number>();
  readonly #account: SessionAccount;
  readonly #flows: SessionFlows;
  readonly #onOver: (session: RelaySession) => void;
  #accepted = 0;
  #detached = false;
  /** A carrier of it has been confirmed; before that the session is worth little to anybody. */
  #confirmed = false;
  #charged = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(
    context: RelaySessionContext,
    options: { secret: Buffer; permit: SessionPermit; table: LookupTable; onOver: (session: RelaySession) => void },
  ) {
    this.secret = options.secret;
    this.permit = options.permit;
    this.#context = context;
    this.#table = options.table;
    this.#onOver = options.onOver;
    this.#lookupKey = lookupKeyOf(options.secret);
    this.#moveLookup({ previous: null, accepted: 0 });
    const { source, channel } = options.permit;
    this.#account = context.budget.register({
      channel,
      prefix: source.isLocal ? null : source.key,
      evict: (cause) => this.#evict(cause),
    });
    this.#flows = new SessionFlows(context.nat, {
      permit: options.permit,
      send: (flowId, from, bytes) => this.session.datagrams.send(flowId, from, bytes),
    });
    this.session = new Session(context.env, {
      role: 'relay',
      datagramDrops: context.nat.tally.sessionDrops,
      maxStreams: context.streamsPerSession,
      mayHoldMore: () => this.#mayHoldMore(),
      events: {
        onStream: (stream, target) => this.#onStream(stream, target),
        onDatagram: (flowId, target, bytes) => this.#flows.onDatagram(flowId, target, bytes),
        onFlowClosed: (flowId) => this.#flows.onFlowClosed(flowId),
        onCarrierLive: () => this.#onLive(),
        onCarrierLost: (carrier, cause) => this.#onCarrierLost(carrier, cause),
        onHeldBytes: (bytes) => this.#charge(bytes),
        onClosed: () => this.#onClosed(),
      },
    });
  }

  get detached(): boolean {
    return this.#detached;
  }

  /** Whether one more carrier, of this number, may be added. */
  mayAttach(carrierId: number): boolean {
    return this.session.mayAdd(carrierId);
  }

  /** Adds a carrier that the client has asked for; it counts when its first record has come. */
  attach(link: CarrierLink, leftover: Buffer): void {
    this.#context.counters.carrierAttached();
    this.session.addCarrier(link, { confirmed: false, leftover });
  }

  /** Moves the window of lookup ids up to an id whose attach was right. */
  acceptLookup(id: Buffer): void {
    const counter = this.#held.get(id.toString('latin1')) ?? 0;
    if (counter > this.#accepted) this.#moveLookup({ previous: this.#accepted, accepted: counter });
  }

  #moveLookup(move: LookupMove): void {
    for (const { id, counter } of idsToAdd(this.#lookupKey, move)) {
      const text = id.toString('latin1');
      this.#held.set(text, counter);
      this.#table.set(text, this);
    }
    for (const { id } of idsToRemove(this.#lookupKey, move)) {
      const text = id.toString('latin1');
      this.#held.delete(text);
      this.#table.delete(text);
    }
    this.#accepted = move.accepted;
  }

  /** Ends the session and resets its streams. */
  close(code: ResetCode): void {
    this.session.close(code);
  }

  #evict(cause: EvictionCause): void {
    this.#context.env.log({ event: 'session.evicted', cause });
    this.session.close('session-lost');
  }

  #onLive(): void {
    this.#confirmed = true;
    this.#context.unconfirmed.delete(this);
    if (!this.#detached) return;
    this.#detached = false;
    this.#account.attach();
  }

  #onCarrierLost(_carrier: Carrier, cause: string): void {
    this.#context.counters.carrierLost(cause);
    if (this.session.closed || this.session.carriers.length > 0) return;
    if (!this.#confirmed) {
      this.#context.unconfirmed.add(this);
      return;
    }
    if (this.#detached) return;
    this.#detached = true;
    this.#account.detach();
  }

  #onClosed(): void {
    this.#context.unconfirmed.delete(this);
    for (const id of this.#held.keys()) this.#table.delete(id);
    this.#flows.closeAll();
    this.#account.close();
    this.#onRoom();
    this.permit.close();
    this.#onOver(this);
  }

  #charge(bytes: number): void {
    const delta = bytes - this.#charged;
    this.#charged = bytes;
    if (delta < 0) this.#account.release(-delta);
    else if (delta > 0) this.#account.charge(delta);
  }

  /** Whoever is told no waits for room, again if another was faster when there was some. */
  #mayHoldMore(): boolean {
    if (this.#account.hasRoom()) return true;
    this.#account.onRoom(() => this.#onRoom());
    return false;
  }

  // --- streams --------------------------------------------------------------------------------------------------------------------

  #onStream(stream: SessionStream, encodedTarget: Buffer): void {
    stream.on('error', () => {});
    const release = this.permit.openStream();
    if (release === null) {
      stream.reset('busy');
      return;
    }
    this.#context.counters.streamOpened();
    stream.once('close', () => {
      release();
      this.#context.counters.streamClosed();
    });
    this.#connect(stream, encodedTarget).catch((error: unknown) => {
      if (!stream.destroyed) stream.reset(resetCodeFor(error));
    });
  }

  async #connect(stream: SessionStream, encodedTarget: Buffer): Promise<void> {
    const target = decodeTarget(encodedTarget);
    const conn = await this.#dial(stream, target);
    if (!stream.destroyed) await this.#room();
    if (stream.destroyed) {
      conn.destroy();
      return;
    }
    this.session.sendOpened(stream);
    splice(stream, conn, {
      resetA: (error) => stream.reset(resetCodeFor(error)),
      onDone: ({ bytesAToB, bytesBToA }) => this.#context.counters.moved({ up: bytesAToB, down: bytesBToA }),
    });
  }

  /** Waits until the session may hold more: the first read of a new stream must not go over the budget. */
  #room(): Promise<void> {
    if (this.#mayHoldMore()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#roomWaiters.push(resolve);
    });
  }

  #onRoom(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const resolve of waiters) resolve();
    this.session.wake();
  }

  async #dial(stream: SessionStream, target: Target): Promise<Conn> {
    const { counters, egress, env } = this.#context;
    const permit = this.permit.startDial(target);
    if (permit === null) throw new EgressError('busy');
    const gone = new AbortController();
    const onClose = () => gone.abort(new EgressError('internal'));
    stream.once('close', onClose);
    try {
      if (permit.delayMs > 0) await sleep(env, permit.delayMs, gone.signal);
      const conn = await egress.connect(target, { signal: gone.signal });
      permit.finish(true);
      counters.dialled('connected');
      return conn;
    } catch (error) {
      const code = resetCodeFor(error);
      permit.finish(gone.signal.aborted ? null : false);
      if (!gone.signal.aborted) counters.dialled(code);
      throw error;
    } finally {
      stream.off('close', onClose);
    }
  }
}

/** What to tell the client of an error on the way to the target. */
function resetCodeFor(error: unknown): ResetCode {
  if (error instanceof EgressError) return error.resetCode;
  if (error instanceof ProtocolError) return 'forbidden';
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET' ? 'connection-reset' : 'internal';
}
