import { Agent, type ClientRequest, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Clock, StreamResetError, type TunnelStream } from '@rozan/tunnel';
import { MAX_IDLE_UPSTREAMS, UPSTREAM_IDLE_MS } from './limits.ts';
import { openStream, type ProxyContext } from './proxy-context.ts';

/** Streams to sites for requests that the proxy forwards itself. */
export interface Upstreams extends Disposable {
  /** Takes a stream that an earlier request has left, or opens one; leaves it for the next. */
  readonly shared: Agent;
  /** Opens a stream for one request only. */
  readonly single: Agent;
}

/** Node's client expects of a connection what a socket has beyond `Duplex`. A stream does not keep a process alive. */
function withSocketHabits(stream: TunnelStream): Duplex {
  const destroySoon = () => {
    stream.end(() => stream.destroy());
  };
  return Object.assign(stream, { destroySoon, ref: () => stream, unref: () => stream });
}

/** Ends `stream` when it has waited too long for a next request, or when the site ends it or speaks out of turn. Returns how to stop that. */
function guardIdle(stream: Duplex, clock: Clock): () => void {
  const drop = () => {
    stop();
    stream.destroy();
  };
  const cancelTimer = clock.setTimer(UPSTREAM_IDLE_MS, drop);
  const stop = () => {
    cancelTimer();
    stream.off('data', drop);
    stream.off('end', drop);
    stream.off('close', stop);
  };
  stream.on('data', drop);
  stream.on('end', drop);
  stream.on('close', stop);
  return stop;
}

/** Fails `upstream` when its stream was over before Node's client got to listen to it, which that does not look at. */
export function watchStream(upstream: ClientRequest): void {
  upstream.once('socket', (stream) => {
    if (stream.closed) upstream.emit('error', stream.errored ?? new StreamResetError('connection-reset'));
  });
}

/**
 * Sets up the two ways to reach sites. A stream is handed out before the relay has connected to its target, so that the request travels
 * with its opening: nothing is promised to the application by that, and if it fails, the request fails with the stream's own error.
 */
export function createUpstreams(context: ProxyContext): Upstreams {
  const open = async (options: ClientRequestArgs): Promise<Duplex> => {
    const target = { host: options.host ?? '', port: Number(options.port) };
    const signal = options.signal ?? new AbortController().signal;
    return withSocketHabits(await openStream(context, { target, untilOpened: false, signal }));
  };
  const createConnection: Agent['createConnection'] = (options, callback) => {
    open(options).then(
      (stream) => callback?.(null, stream),
      (error: Error) => callback?.(error, undefined as never),
    );
    return undefined;
  };
  const shared = new Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE_UPSTREAMS });
  const single = new Agent({ keepAlive: false });
  shared.createConnection = createConnection;
  single.createConnection = createConnection;
  const guards = new WeakMap<Duplex, () => void>();
  shared.keepSocketAlive = (stream) => {
    if (stream.destroyed || !stream.readable || !stream.writable) return false;
    guards.set(stream, guardIdle(stream, context.env.clock));
    return true;
  };
  shared.reuseSocket = (stream, request) => {
    guards.get(stream)?.();
    Agent.prototype.reuseSocket.call(shared, stream, request);
  };
  return {
    shared,
    single,
    [Symbol.dispose]: () => {
      shared.destroy();
      single.destroy();
    },
  };
}
