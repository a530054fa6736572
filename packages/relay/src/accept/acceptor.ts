import {
  type AttachAttempt,
  type AttachStatus,
  type Channel,
  type ClientFlight,
  type KeyPair,
  lessPadding,
  NO_PADDING,
  ProtocolError,
  RecordOpener,
  RecordSealer,
  RelayHandshake,
  type RelayHandshakeDone,
} from '@rozan/protocol';
import type { CarrierLink, Conn, Env } from '@rozan/tunnel';
import type { ForwardLimits } from '../limits/forward-limits.ts';
import type { Source } from '../limits/source-key.ts';
import type { SourceLimits } from '../limits/source-limits.ts';
import type { SessionRegistry } from '../session-registry.ts';
import type { Forwarder } from '../siblings/forwarder.ts';
import type { Sibling, Siblings } from '../siblings/siblings.ts';
import type { Guest, StrangerHall } from '../strangers/stranger-hall.ts';
import { sealReply } from './reply.ts';

/** How a first flight fared. */
export type HandshakeOutcome = AttachStatus | 'forward' | 'stranger' | 'stale' | 'replayed' | 'full';

/** What a replay guard goes by. */
export type JudgedFlight = Pick<ClientFlight, 'channelId' | 'replayId' | 'stampMs' | 'synced'>;

/** The verdict of a replay guard. */
export type ReplayVerdictKind = 'fresh' | 'stale' | 'replayed' | 'full';

/** Judges an outer-authentic flight; when it is fresh, whatever must be on disk is on disk when the promise resolves. */
export type ReplayGuard = (flight: JudgedFlight) => Promise<ReplayVerdictKind>;

/** A connection on its way to the process that owns its session. */
export interface Handover {
  /** Paused; nobody listens to it. */
  readonly conn: Conn;
  readonly source: Source;
  readonly transport: string;
  /** What has been read from it. */
  readonly bytes: Buffer;
}

/** Where sessions are that this process does not hold. */
export interface SessionHomes {
  /**
   * Resolves with what hands a connection to the process that owns a session, or with null when there is no such session.
   * Rejects when that cannot be told in time. The function that it gives rejects when the owner does not answer.
   */
  find(lookupId: Buffer): Promise<((handover: Handover) => Promise<void>) | null>;
}

/** What `Acceptor` needs. */
export interface AcceptorOptions {
  readonly relayKey: KeyPair;
  /** Those of clients, as they are now. */
  readonly channels: () => readonly Channel[];
  readonly replayGuard: ReplayGuard;
  readonly registry: SessionRegistry;
  readonly limits: SourceLimits;
  readonly strangers: StrangerHall;
  readonly siblings: Siblings;
  /** Takes what clients want to be forwarded to a sibling. */
  readonly forwarder: Forwarder;
  readonly forwardLimits: ForwardLimits;
  readonly retentionMs: number;
  readonly onOutcome: (outcome: HandshakeOutcome) => void;
  /** Other processes of this relay; none without. */
  readonly homes?: SessionHomes | undefined;
}

/** An accepted connection until its handshake is decided. */
interface Arrival {
  readonly conn: Conn;
  readonly source: Source;
  readonly guest: Guest;
  readonly transport: string;
  /** Another process of this relay has taken it in, asked the replay guard, and handed it over. */
  readonly isHandedOver: boolean;
  /** What a sibling has asked, if the connection is one that it forwards. */
  readonly link?: ForwardedLink | undefined;
}

/** A connection that a sibling forwards. */
interface ForwardedLink {
  readonly sibling: Sibling;
  readonly attempt: AttachAttempt;
  /** The sibling's whole flight. */
  readonly bytes: Buffer;
}

/** Null for what is right outside and nothing that we know inside. */
function openOrNull(flight: ClientFlight): AttachAttempt | null {
  try {
    return flight.open();
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Reads first flights. Whoever sends none that is right becomes a stranger, without a byte of an answer. */
export class Acceptor {
  readonly #env: Env;
  readonly #options: AcceptorOptions;

  constructor(env: Env, options: AcceptorOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Takes an accepted, undressed connection. */
  accept(conn: Conn, transport: string): void {
    const { strangers, limits } = this.#options;
    const source = limits.sourceOf(conn.remoteAddress);
    this.#read({ conn, source, transport, guest: strangers.admit(conn, source), isHandedOver: false });
  }

  /** Takes a connection that another process of this relay has accepted and found to be for a session of this one. */
  acceptHandedOver(conn: Conn, { source, transport }: Pick<Handover, 'source' | 'transport'>): void {
    const guest = this.#options.strangers.admit(conn, source);
    this.#read({ conn, source, transport, guest, isHandedOver: true });
  }

  #read(arrival: Arrival): void {
    const { conn } = arrival;
    const { relayKey, channels, siblings } = this.#options;
    const handshake = new RelayHandshake({ relayKey, channels: [...channels(), ...siblings.channels] });
    const stop = () => {
      conn.pause();
      conn.off('data', onData);
      conn.off('end', onEnd);
    };
    const onEnd = () => {
      stop();
      this.#turnAway(arrival, 'stranger');
    };
    const onData = (chunk: Buffer) => {
      arrival.guest.touch();
      try {
        const flight = handshake.receive(chunk);
        if (flight === null) return;
        stop();
        this.#judge(arrival, flight).catch((error: unknown) => this.#refuse(arrival, error));
      } catch (error) {
        stop();
        this.#refuse(arrival, error);
      }
    };
    conn.on('data', onData);
    conn.on('end', onEnd);
  }

  /** Anything that goes wrong looks the same from outside. */
  #refuse(arrival: Arrival, error: unknown): void {
    if (!(error instanceof ProtocolError)) this.#env.log({ event: 'accept.failed', code: 'internal' });
    this.#turnAway(arrival, 'stranger');
  }

  /** What is no client of ours, or cannot be told from a recording of one. */
  #turnAway({ conn, guest }: Arrival, outcome: HandshakeOutcome): void {
    this.#options.onOutcome(outcome);
    if (conn.decline === undefined) {
      guest.turnAway();
      return;
    }
    guest.leave();
    conn.decline();
  }

  async #judge(arrival: Arrival, flight: ClientFlight): Promise<void> {
    const verdict = arrival.isHandedOver ? 'fresh' : await this.#options.replayGuard(flight);
    if (arrival.conn.destroyed) return;
    if (verdict !== 'fresh') {
      this.#turnAway(arrival, verdict);
      return;
    }
    if (!arrival.isHandedOver) await this.#delayAnswer(flight.answerDelayMs);
    if (arrival.conn.destroyed) return;
    const attempt = flight.open();
    const sibling = this.#options.siblings.ofChannel(flight.channelId);
    if (sibling !== null) await this.#takeForwarded(arrival, flight, { sibling, attempt, bytes: flight.bytes });
    else if (attempt.request.kind === 'new') this.#openSession(arrival, flight, attempt);
    else if (attempt.request.kind === 'resume') await this.#resumeSession(arrival, flight, attempt);
    else if (attempt.request.kind === 'forward') {
      this.#options.onOutcome('forward');
      await this.#options.forwarder.take({ ...arrival, attempt, leftover: flight.leftover });
    } else this.#turnAway(arrival, 'stranger');
  }

  /** Takes what a sibling forwards: the flight inside is judged like any, and is to resume a session; there is no second hop. */
  async #takeForwarded(arrival: Arrival, flight: ClientFlight, link: ForwardedLink): Promise<void> {
    const { request } = link.attempt;
    if (request.kind !== 'forwarded') {
      this.#turnAway(arrival, 'stranger');
      return;
    }
    const inner = this.#readInner(request.flight);
    const isFresh = inner !== null && (arrival.isHandedOver || (await this.#options.replayGuard(inner)) === 'fresh');
    if (arrival.conn.destroyed) return;
    const attempt = isFresh ? openOrNull(inner) : null;
    if (inner === null || attempt?.request.kind !== 'resume') {
      this.#deny(arrival, link.attempt, 'busy');
      return;
    }
    await this.#resumeSession({ ...arrival, link }, { ...inner, leftover: flight.leftover }, attempt);
  }

  /** The flight inside another, if it is one of a client of ours, whole and by itself. */
  #readInner(bytes: Buffer): ClientFlight | null {
    const { relayKey, channels } = this.#options;
    try {
      const inner = new RelayHandshake({ relayKey, channels: channels() }).receive(bytes);
      return inner === null || inner.leftover.length > 0 ? null : inner;
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }

  /** How soon a relay answers is one of the things by which all of them could be recognised. */
  async #delayAnswer(mostMs: number): Promise<void> {
    const { clock, random } = this.#env;
    const delayMs = mostMs * random.fraction();
    if (delayMs > 0) await new Promise<void>((resolve) => clock.setTimer(delayMs, resolve));
  }

  #openSession(arrival: Arrival, flight: ClientFlight, attempt: AttachAttempt): void {
    const { registry, limits } = this.#options;
    const isRefused = registry.draining || arrival.isHandedOver;
    const permit = isRefused ? null : limits.openSession(arrival.source, flight.channelId);
    if (permit === null) {
      this.#deny(arrival, attempt, 'busy');
      return;
    }
    const done = this.#reply(arrival, attempt, 'accepted');
    if (done.sessionSecret === null) throw new ProtocolError('violation', 'an accepted new session has a secret');
    registry.create(permit, done.sessionSecret).attach(this.#link(arrival, done, 0), flight.leftover);
  }

  async #resumeSession(arrival: Arrival, flight: ClientFlight, attempt: AttachAttempt): Promise<void> {
    const { request } = attempt;
    if (request.kind !== 'resume') return;
    const session = this.#options.registry.find(request.lookupId);
    if (session === null && (await this.#wasHandedOver(arrival, flight, { attempt, lookupId: request.lookupId })))
      return;
    if (session === null || !attempt.verifyResume(session.secret)) this.#deny(arrival, attempt, 'unknown-session');
    else if (!session.mayAttach(request.carrierId) || !this.#mayArrive(arrival)) this.#deny(arrival, attempt, 'busy');
    else {
      session.acceptLookup(request.lookupId);
      const done = this.#reply(arrival, attempt, 'accepted');
      session.attach(this.#link(arrival, done, request.carrierId), flight.leftover);
    }
  }

  /** Counts a carrier that a sibling forwards; false at the cap. */
  #mayArrive({ conn, link }: Arrival): boolean {
    if (link === undefined) return true;
    const end = this.#options.forwardLimits.beginArrival(link.sibling.id);
    if (end !== null) conn.once('close', end);
    return end !== null;
  }

  /** Whether another process of this relay has the session, or might have it: then nothing is left to do here. */
  async #wasHandedOver(
    arrival: Arrival,
    flight: ClientFlight,
    { attempt, lookupId }: { readonly attempt: AttachAttempt; readonly lookupId: Buffer },
  ): Promise<boolean> {
    const { homes } = this.#options;
    if (homes === undefined || arrival.isHandedOver) return false;
    const { conn, source, transport, guest } = arrival;
    try {
      const handOver = await homes.find(lookupId);
      if (handOver === null) return conn.destroyed;
      if (!conn.destroyed) {
        const first = arrival.link?.bytes ?? flight.bytes;
        await handOver({ conn, source, transport, bytes: Buffer.concat([first, flight.leftover]) });
        guest.leave();
      }
    } catch {
      // Whether the session is there cannot be told now: the client is to ask again.
      if (!conn.destroyed) this.#deny(arrival, attempt, 'busy');
    }
    return true;
  }

  /** Says no, sealed, to a client of ours; to everyone else the connection looks like any stranger's from then on. */
  #deny(arrival: Arrival, attempt: AttachAttempt, status: AttachStatus): void {
    this.#answer(arrival, attempt, status);
    this.#options.onOutcome(status);
    arrival.guest.turnAway();
  }

  #reply(arrival: Arrival, attempt: AttachAttempt, status: AttachStatus): RelayHandshakeDone {
    const done = this.#answer(arrival, attempt, status);
    arrival.guest.leave();
    this.#options.onOutcome(status);
    return done;
  }

  /** Answers an attach request, behind an answer to the sibling that forwards it, in one write. */
  #answer({ conn, link }: Arrival, attempt: AttachAttempt, status: AttachStatus): RelayHandshakeDone {
    const { retentionMs } = this.#options;
    if (link === undefined) {
      const done = sealReply(this.#env, attempt, { status, retentionMs });
      conn.write(done.flight);
      return done;
    }
    const head = sealReply(this.#env, link.attempt, { status: 'accepted', retentionMs, padding: NO_PADDING }).flight;
    // Together, and with what the sibling puts in the place of the first, no longer than another flight.
    const padding = lessPadding(attempt.padding, head.length);
    const done = sealReply(this.#env, attempt, { status, retentionMs, padding });
    conn.write(Buffer.concat([head, done.flight]));
    return done;
  }

  #link({ conn, source, transport }: Arrival, { keys }: RelayHandshakeDone, carrierId: number): CarrierLink {
    return {
      carrierId,
      transport,
      conn,
      sealer: new RecordSealer(keys.send),
      opener: new RecordOpener(keys.receive),
      roundTripMs: null,
      // Whoever is on the path and changes bytes sees what every stranger sees.
      onUnauthentic: (spoilt) => this.#options.strangers.admit(spoilt, source).turnAway(),
    };
  }
}
