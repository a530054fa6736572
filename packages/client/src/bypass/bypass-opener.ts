import { parseIpAddress, type Target } from '@rozan/protocol';
import {
  type Conn,
  type Env,
  type StreamOpener,
  StreamResetError,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';
import type { NameResolver } from '../establish/name-resolver.ts';
import { resetConn } from '../local-proxy/conn-ends.ts';
import { type BypassRules, decideRoute } from './bypass-rules.ts';

/** What a direct connection may take to be there, in ms; the tunnel is next. */
const DIRECT_MS = 10_000;

/** What `BypassOpener` works with. */
export interface BypassOptions {
  readonly tunnel: StreamOpener;
  /** As they are now; null for everything through the tunnel. */
  readonly rules: () => BypassRules | null;
  readonly resolve: NameResolver;
}

/** A connection past the tunnel, as the proxies see it. */
function asStream(conn: Conn): TunnelStream {
  return Object.assign(conn, { opened: Promise.resolve(), reset: () => resetConn(conn) });
}

/** Opens streams to domestic places directly, and all others, and all datagrams, through the tunnel. */
export class BypassOpener implements StreamOpener {
  readonly #env: Env;
  readonly #options: BypassOptions;
  readonly #direct = new Set<TunnelStream>();

  constructor(env: Env, options: BypassOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Direct connections that are open. */
  get direct(): number {
    return this.#direct.size;
  }

  /** Resets all direct connections, those that wait for their next request included: what was allowed to them does not hold any more. */
  endDirect(): void {
    for (const stream of [...this.#direct]) stream.reset('cancelled');
  }

  isLive(): boolean {
    return this.#options.tunnel.isLive();
  }

  openFlow(...args: Parameters<StreamOpener['openFlow']>): ReturnType<StreamOpener['openFlow']> {
    return this.#options.tunnel.openFlow(...args);
  }

  async open(target: Target, options: { readonly signal?: AbortSignal } = {}): Promise<TunnelStream> {
    const rules = this.#options.rules();
    const direct = rules === null ? null : await this.#openDirect(target, rules, options.signal);
    return direct ?? (await this.#options.tunnel.open(target, options));
  }

  /** Null for a place that is reached through the tunnel: one abroad, and one that cannot be reached directly. */
  async #openDirect(target: Target, rules: BypassRules, gone?: AbortSignal): Promise<TunnelStream | null> {
    if (decideRoute(target.host, rules) === 'tunnel') return null;
    const patience = new AbortController();
    const cancel = this.#env.clock.setTimer(DIRECT_MS, () => patience.abort(new TunnelError('timed-out', 'too slow')));
    const signal = AbortSignal.any([patience.signal, ...(gone === undefined ? [] : [gone])]);
    try {
      const host = await this.#addressOf(target.host, rules, signal);
      if (host === null) return null;
      const conn = await this.#env.network.dial({ host, port: target.port }, { signal });
      const stream = asStream(conn);
      if (this.#options.rules() !== rules) {
        // They have changed meanwhile.
        conn.on('error', () => {});
        stream.reset('cancelled');
        return null;
      }
      this.#direct.add(stream);
      stream.once('close', () => this.#direct.delete(stream));
      return stream;
    } catch {
      if (gone?.aborted) throw new StreamResetError('cancelled');
      return null;
    } finally {
      cancel();
    }
  }

  /** A name of the list that leads abroad goes through the tunnel; where an upstream proxy resolves names, nobody here can tell. */
  async #addressOf(host: string, rules: BypassRules, signal: AbortSignal): Promise<string | null> {
    if (parseIpAddress(host) !== undefined) return host;
    const address = await this.#options.resolve(host, signal);
    return parseIpAddress(address) === undefined || rules.countryOf(address) === rules.country ? address : null;
  }
}
