import {
  type AttachReply,
  type ClientAttach,
  type ClientHandshake,
  type ClientHandshakeDone,
  drawPaddingBytes,
  FIRST_CARRIER_ID,
  type ForwardAttach,
  flightShapeOf,
  lessPadding,
  NO_PADDING,
  type PaddingRange,
  ProtocolError,
  RecordOpener,
  RecordSealer,
  startClientHandshake,
} from '@rozan/protocol';
import type { Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import type { Conn } from '../network.ts';
import type { CarrierLink } from './carrier.ts';
import { linger } from './linger.ts';
import type { RelayClock } from './relay-clock.ts';

/** What a client knows of a relay, beside how to reach it. */
export interface RelayIdentity {
  /** The relay's static X25519 public key, 32 bytes. */
  readonly publicKey: Buffer;
  /** The access secret of the channel, 32 bytes. */
  readonly accessSecret: Buffer;
}

/** A carrier whose handshake is done. */
export interface AttachedCarrier {
  readonly link: CarrierLink;
  readonly reply: AttachReply;
  /** The new session's secret, null for a resumed one. */
  readonly sessionSecret: Buffer | null;
  readonly leftover: Buffer;
  /** Called when the carrier has become suspect, with the bytes that it has carried, both ways together. */
  readonly onSuspect?: ((bytes: number) => void) | undefined;
  /** Called when it has come to an end that nobody of ours had wanted. */
  readonly onFoulEnd?: (() => void) | undefined;
  /** Whether no carrier by the same way has come to such an end of late: then what was found of others need not hold for it. */
  readonly isSpared?: (() => boolean) | undefined;
}

/** What `attachOver` needs. */
export interface AttachOptions {
  readonly relay: RelayIdentity;
  readonly attach: ClientAttach;
  readonly relayClock: RelayClock;
  readonly transport: string;
  readonly signal: AbortSignal;
}

/** Feeds the connection to the handshake until the relay has answered; leaves the connection paused. */
function exchange(
  conn: Conn,
  receive: (chunk: Buffer) => ClientHandshakeDone | null,
  signal: AbortSignal,
): Promise<ClientHandshakeDone> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      conn.off('data', onData);
      conn.off('end', onEnd);
      conn.off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      stop();
      reject(error);
    };
    const onEnd = () => fail(new TunnelError('failed', 'the connection ended during the handshake'));
    const onAbort = () => fail(signal.reason);
    const onData = (chunk: Buffer) => {
      try {
        const done = receive(chunk);
        if (done === null) return;
        conn.pause();
        stop();
        resolve(done);
      } catch (cause) {
        fail(new TunnelError('not-authentic', 'the answer is not from the relay of the entry', { cause }));
      }
    };
    conn.on('data', onData);
    conn.on('end', onEnd);
    conn.on('close', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else if (conn.destroyed) onEnd();
  });
}

/** What `shakeHands` needs. */
export interface HandshakeOptions {
  readonly relay: RelayIdentity;
  readonly attach: ClientAttach | ForwardAttach;
  /** Gives the stamp, and is corrected from the answer. */
  readonly relayClock: RelayClock;
  readonly signal: AbortSignal;
  /** That of the channel unless said. */
  readonly padding?: PaddingRange | undefined;
}

function startHandshake(env: Env, options: Omit<HandshakeOptions, 'signal'>): ClientHandshake {
  const { relay, attach, relayClock, padding = flightShapeOf(relay.accessSecret).client } = options;
  return startClientHandshake({
    relayPublicKey: relay.publicKey,
    accessSecret: relay.accessSecret,
    attach,
    ...relayClock.stamp(),
    paddingBytes: drawPaddingBytes({ fraction: env.random.fraction(), ...padding }),
    random: (count) => env.random.bytes(count),
  });
}

/** Lets a connection go when its handshake has failed: nobody is to see at what. */
async function orLetGo<T>(env: Env, conn: Conn, handshake: () => Promise<T>): Promise<T> {
  conn.on('error', () => {});
  try {
    return await handshake();
  } catch (error) {
    if (error instanceof TunnelError && error.code !== 'failed') linger(env, conn);
    else conn.destroy();
    if (error instanceof ProtocolError) throw new TunnelError('not-authentic', error.message, { cause: error });
    throw error;
  }
}

async function greet(env: Env, conn: Conn, options: HandshakeOptions): Promise<ClientHandshakeDone> {
  const handshake = startHandshake(env, options);
  conn.write(handshake.flight);
  const done = await exchange(conn, handshake.receive, options.signal);
  options.relayClock.correct(done.reply.relayTimeMs);
  return done;
}

/**
 * Runs a handshake over a fresh connection, whatever the relay's authenticated answer says; leaves the connection paused. Rejects with a
 * `TunnelError` (`failed`, `not-authentic`) or the signal's reason; the connection is let go then.
 */
export function shakeHands(env: Env, conn: Conn, options: HandshakeOptions): Promise<ClientHandshakeDone> {
  return orLetGo(env, conn, () => greet(env, conn, options));
}

/** The carrier that a handshake has made. Throws a `TunnelError` (`unknown-session`, `relay-busy`) when the relay has refused it. */
function carrierOf(done: ClientHandshakeDone, link: Omit<CarrierLink, 'sealer' | 'opener'>): AttachedCarrier {
  const { reply, keys, sessionSecret, leftover } = done;
  if (reply.status !== 'accepted') {
    throw new TunnelError(reply.status === 'busy' ? 'relay-busy' : reply.status, `the relay answers: ${reply.status}`);
  }
  const sealed = { ...link, sealer: new RecordSealer(keys.send), opener: new RecordOpener(keys.receive) };
  return { link: sealed, reply, sessionSecret, leftover };
}

function carrierIdOf(attach: ClientAttach): number {
  return attach.kind === 'new' ? FIRST_CARRIER_ID : attach.carrierId;
}

/**
 * Runs the client's handshake over a fresh connection, which it takes over. Rejects with a `TunnelError` (`failed`, `not-authentic`,
 * `unknown-session`, `relay-busy`) or the signal's reason; the connection is let go then.
 */
export function attachOver(env: Env, conn: Conn, options: AttachOptions): Promise<AttachedCarrier> {
  const { attach, transport } = options;
  const startMs = env.clock.monotonicMs();
  return orLetGo(env, conn, async () => {
    const done = await greet(env, conn, options);
    const roundTripMs = Math.max(0.1, env.clock.monotonicMs() - startMs);
    return carrierOf(done, { carrierId: carrierIdOf(attach), transport, conn, roundTripMs });
  });
}

/** A relay that is asked to forward. */
export interface Forwarder {
  readonly relay: RelayIdentity;
  readonly relayClock: RelayClock;
  /** The tag of its entry. */
  readonly tag: string;
}

/**
 * Runs the client's handshake with the home of its session over a fresh connection to another relay, which is asked to forward
 * (docs/spec/reroute.md). Rejects like `attachOver`, and with `not-forwarded` when the other relay does not.
 */
export function attachThrough(
  env: Env,
  conn: Conn,
  options: AttachOptions & { readonly forwarder: Forwarder },
): Promise<AttachedCarrier> {
  const { attach, transport, signal, relay, forwarder } = options;
  const startMs = env.clock.monotonicMs();
  return orLetGo(env, conn, async () => {
    const inner = startHandshake(env, { ...options, padding: NO_PADDING });
    const { reply, leftover } = await greet(env, conn, {
      ...forwarder,
      attach: { kind: 'forward', homeKey: relay.publicKey, flight: inner.flight },
      signal,
      padding: lessPadding(flightShapeOf(forwarder.relay.accessSecret).client, inner.flight.length),
    });
    // Whatever the forwarder says: only the home can end the session.
    if (reply.status !== 'accepted') throw new TunnelError('not-forwarded', 'the other relay does not forward');
    const first = leftover.length === 0 ? null : inner.receive(leftover);
    const done = first ?? (await exchange(conn, inner.receive, signal));
    options.relayClock.correct(done.reply.relayTimeMs);
    const roundTripMs = Math.max(0.1, env.clock.monotonicMs() - startMs);
    return carrierOf(done, { carrierId: carrierIdOf(attach), transport, conn, roundTripMs, through: forwarder.tag });
  });
}
