import { flightShapeOf, lessPadding, parseHostPort, parseIpAddress } from '@rozan/protocol';
import { type Conn, type Env, findTransport, race, shakeHands, TunnelError } from '@rozan/tunnel';
import type { Resolver } from '../egress/resolver.ts';
import { FORWARD_BOUNDS } from '../limits/constants.ts';
import type { Sibling } from './siblings.ts';

/** A connection to the home of a session, on which the home has answered. */
export interface HomeConn {
  /** Paused. */
  readonly conn: Conn;
  /** What has come of the home's answer to the client. */
  readonly leftover: Buffer;
}

/** What `dialHome` needs. */
export interface HomeDialOptions {
  /** The client's flight for the home. */
  readonly flight: Buffer;
  readonly resolver: Resolver;
  readonly signal: AbortSignal;
}

/** The ways to a sibling that this relay has the transports for. */
function waysTo({ entry }: Sibling) {
  return entry.transports.flatMap(({ transport: name, addresses, params }) => {
    const transport = findTransport(name);
    return transport === null ? [] : addresses.map((address) => ({ transport, address, params }));
  });
}

async function literalOf(host: string, resolver: Resolver): Promise<string> {
  if (parseIpAddress(host) !== undefined) return host;
  const [address] = await resolver.resolve(host);
  if (address === undefined) throw new TunnelError('name-not-found', 'the name of a sibling has no address');
  return address;
}

/**
 * Dials a sibling by what its entry says, and has it take a flight of a client. Rejects with whatever has failed (`not-forwarded` when the
 * home does not want it), or the signal's reason; nothing stays open then.
 */
export async function dialHome(env: Env, sibling: Sibling, options: HomeDialOptions): Promise<HomeConn> {
  const { flight, resolver, signal } = options;
  const attempts = waysTo(sibling).map(({ transport, address, params }) => async (attemptSignal: AbortSignal) => {
    const { host, port } = parseHostPort(address);
    const literal = { host: await literalOf(host, resolver), port };
    attemptSignal.throwIfAborted();
    return transport.dial(env, {
      address: literal,
      params: transport.parseParams(params),
      signal: attemptSignal,
    });
  });
  // Only connections race: the home takes the client's flight once.
  const conn = await race(env.clock, attempts, {
    staggerMs: FORWARD_BOUNDS.staggerMs,
    signal,
    discard: (late) => late.destroy(),
  });
  const { entry, secret, relayClock } = sibling;
  const { reply, leftover } = await shakeHands(env, conn, {
    relay: { publicKey: entry.key, accessSecret: secret },
    relayClock,
    attach: { kind: 'forwarded', flight },
    signal,
    padding: lessPadding(flightShapeOf(secret).client, flight.length),
  });
  if (reply.status === 'accepted') return { conn, leftover };
  conn.destroy();
  throw new TunnelError('not-forwarded', 'the home does not want the flight');
}
