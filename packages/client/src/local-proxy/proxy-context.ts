import type { ResetCode } from '@rozan/protocol';
import {
  type Conn,
  type Env,
  type StreamOpener,
  StreamResetError,
  type Target,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';
import { isOwnAddress } from './target-host.ts';
import type { AssociationCount } from './udp-association.ts';

/** Which of the two doors. */
export type ProxyKind = 'socks' | 'http';

/** What both proxies work with. */
export interface ProxyContext {
  readonly env: Env;
  readonly opener: StreamOpener;
  /** Whether every success is only told once the relay has connected to the target. */
  readonly strictReplies: boolean;
  /** Where the proxies themselves listen: nobody is led back to them. */
  readonly ownAddresses: readonly Target[];
  /** UDP associations that are open. */
  readonly associations: AssociationCount;
  /** Counts and reports a stream that failed. `answered`: the application had been promised success, and so saw a reset. */
  readonly noteFailure: (kind: ProxyKind, code: ResetCode, answered: boolean) => void;
}

/** Where a stream is to lead, and for whom. */
export interface OpenRequest {
  readonly target: Target;
  /** Whether to wait until the relay has connected to the target. */
  readonly untilOpened: boolean;
  /** Fires when the application has gone. */
  readonly signal: AbortSignal;
}

/** The reason of a failed stream as the peer would give it. */
export function resetCodeOfError(error: unknown): ResetCode {
  if (error instanceof StreamResetError) return error.resetCode;
  if (error instanceof Error && error.name === 'AbortError') return 'cancelled';
  // Of a connection past the tunnel.
  if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return 'connection-reset';
  if (!(error instanceof TunnelError)) return 'internal';
  if (error.code === 'refused' || error.code === 'unreachable' || error.code === 'timed-out') return error.code;
  if (error.code === 'session-closed' || error.code === 'unknown-session') return 'session-lost';
  return error.code === 'relay-busy' ? 'busy' : 'internal';
}

function ignoreError(): void {}

/**
 * Opens a stream for an application. Rejects with a `StreamResetError`: why it could not be opened; `forbidden` for the proxies' own
 * addresses, `cancelled` once `signal` has fired. The stream already has an error listener.
 */
export async function openStream(context: ProxyContext, request: OpenRequest): Promise<TunnelStream> {
  const { target, signal } = request;
  if (isOwnAddress(target, context.ownAddresses)) throw new StreamResetError('forbidden');
  if (signal.aborted) throw new StreamResetError('cancelled');
  const stream = await context.opener.open(target, { signal });
  stream.on('error', ignoreError);
  const onAbort = () => stream.reset('cancelled');
  if (signal.aborted) {
    onAbort();
    throw new StreamResetError('cancelled');
  }
  // A session that died while the stream was being opened promises nothing.
  if (!request.untilOpened && context.opener.isLive()) return stream;
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await stream.opened;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  if (stream.destroyed) throw stream.errored ?? new StreamResetError('cancelled');
  return stream;
}

/** Like `openStream` for an application whose connection is `conn`: gives up when that closes. */
export async function openStreamFor(
  context: ProxyContext,
  conn: Conn,
  request: Omit<OpenRequest, 'signal'>,
): Promise<TunnelStream> {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  conn.once('close', onClose);
  if (conn.destroyed) onClose();
  try {
    return await openStream(context, { ...request, signal: gone.signal });
  } finally {
    conn.off('close', onClose);
  }
}
