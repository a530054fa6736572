import {
  type AttachReply,
  type ClientAttach,
  type ClientHandshakeDone,
  drawPaddingBytes,
  flightShapeOf,
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
}

/** What `attachOver` needs. */
export interface AttachOptions {
  readonly relay: RelayIdentity;
  readonly attach: ClientAttach;
  readonly relayClock: RelayClock;
  readonly transport: string;
  readonly signal: AbortSignal;
}

const REFUSALS = { 'unknown-session': 'unknown-session', busy: 'relay-busy' } as const;

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

/**
 * Runs the client's handshake over a fresh connection, which it takes over. Rejects with a `TunnelError` (`failed`, `not-authentic`,
 * `unknown-session`, `relay-busy`) or the signal's reason; the connection is let go then.
 */
export async function attachOver(env: Env, conn: Conn, options: AttachOptions): Promise<AttachedCarrier> {
  const { relay, attach, relayClock, signal } = options;
  const startMs = env.clock.monotonicMs();
  conn.on('error', () => {});
  try {
    const padding = { fraction: env.random.fraction(), ...flightShapeOf(relay.accessSecret).client };
    const handshake = startClientHandshake({
      relayPublicKey: relay.publicKey,
      accessSecret: relay.accessSecret,
      attach,
      ...relayClock.stamp(),
      paddingBytes: drawPaddingBytes(padding),
      random: (count) => env.random.bytes(count),
    });
    conn.write(handshake.flight);
    const { reply, keys, sessionSecret, leftover } = await exchange(conn, handshake.receive, signal);
    relayClock.correct(reply.relayTimeMs);
    if (reply.status !== 'accepted')
      throw new TunnelError(REFUSALS[reply.status], `the relay answers: ${reply.status}`);
    const carrierId = attach.kind === 'new' ? 0 : attach.carrierId;
    const link: CarrierLink = {
      carrierId,
      transport: options.transport,
      conn,
      sealer: new RecordSealer(keys.send),
      opener: new RecordOpener(keys.receive),
      roundTripMs: Math.max(0.1, env.clock.monotonicMs() - startMs),
    };
    return { link, reply, sessionSecret, leftover };
  } catch (error) {
    if (error instanceof TunnelError && error.code !== 'failed') linger(env, conn);
    else conn.destroy();
    if (error instanceof ProtocolError) throw new TunnelError('not-authentic', error.message, { cause: error });
    throw error;
  }
}
