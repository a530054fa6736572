import { type Duplex, duplexPair } from 'node:stream';
import { parseIpAddress, type ResetCode } from '@rozan/protocol';
import {
  type Conn,
  type DatagramFlow,
  type FlowListener,
  type Network,
  type StreamOpener,
  StreamResetError,
  type Target,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';

/** How the fake opener behaves; tests change it as they go. */
export interface FakeRules {
  live: boolean;
  /** Hosts for which `open` itself rejects. */
  readonly rejected: Map<string, ResetCode>;
  /** Hosts for which the stream opens and then turns out to lead nowhere. */
  readonly failing: Map<string, ResetCode>;
  /** Hosts to which nothing ever answers. */
  readonly silent: Set<string>;
  /** Hosts to which bytes flow although nobody is ever told that the stream is open. */
  readonly unconfirmed: Set<string>;
}

/** A flow whose far end is the test. */
export interface FakeFlow {
  readonly sent: { readonly target: Target; readonly bytes: Buffer }[];
  /** Called for each datagram, after it was added to `sent`. */
  onSend: () => void;
  /** Hands the application a datagram. */
  readonly receive: FlowListener;
  isClosed: boolean;
}

/** A `StreamOpener` without tunnel: it dials on this machine. Every name leads to 127.0.0.1. */
export interface FakeOpener extends StreamOpener {
  readonly rules: FakeRules;
  readonly targets: Target[];
  readonly streams: TunnelStream[];
  readonly flows: FakeFlow[];
  /** The connections to the targets, in the order in which they were made. */
  readonly conns: Conn[];
  /** The next stream that is opened. */
  nextStream(): Promise<TunnelStream>;
}

function ignoreError(): void {}

function endedCleanly(duplex: Duplex): boolean {
  return duplex.readableEnded && duplex.writableFinished && !duplex.errored;
}

/** A stream whose far end is `dialed`, once that is there. */
function createFakeStream(dialed: Promise<Conn>, isConfirmed: boolean): TunnelStream {
  const [near, far] = duplexPair();
  const confirmed = isConfirmed ? dialed : dialed.then(() => new Promise<void>(ignoreError));
  const opened = confirmed.then(ignoreError, (error: unknown) => {
    const code = error instanceof TunnelError && error.code === 'refused' ? 'refused' : 'internal';
    const reset = error instanceof StreamResetError ? error : new StreamResetError(code);
    near.destroy(reset);
    throw reset;
  });
  opened.catch(ignoreError);
  near.on('error', ignoreError);
  far.on('error', ignoreError);
  dialed.then((conn) => joinFarEnd(conn, near, far), ignoreError);
  const reset = (code: ResetCode) => near.destroy(new StreamResetError(code));
  return Object.assign(near, { opened, reset });
}

function joinFarEnd(conn: Conn, near: Duplex, far: Duplex): void {
  conn.on('error', ignoreError);
  const onNearClose = () => {
    if (!endedCleanly(near)) conn.resetAndDestroy?.();
  };
  if (near.closed) onNearClose();
  else near.once('close', onNearClose);
  conn.once('close', () => {
    if (!endedCleanly(conn)) near.destroy(new StreamResetError('connection-reset'));
  });
  conn.pipe(far);
  far.pipe(conn);
}

function openFakeFlow(flows: FakeFlow[], receive: FlowListener): DatagramFlow {
  const fake: FakeFlow = { sent: [], onSend: ignoreError, receive, isClosed: false };
  flows.push(fake);
  return {
    send: (target, bytes) => {
      fake.sent.push({ target, bytes });
      fake.onSend();
    },
    close: () => {
      fake.isClosed = true;
    },
  };
}

/** Creates a fake opener that dials through `network`. */
export function createFakeOpener(network: Network): FakeOpener {
  const rules: FakeRules = {
    live: true,
    rejected: new Map(),
    failing: new Map(),
    silent: new Set(),
    unconfirmed: new Set(),
  };
  const targets: Target[] = [];
  const streams: TunnelStream[] = [];
  const conns: Conn[] = [];
  const flows: FakeFlow[] = [];
  const waiting: ((stream: TunnelStream) => void)[] = [];
  const dial = async ({ host, port }: Target): Promise<Conn> => {
    const failure = rules.failing.get(host);
    if (failure) throw new StreamResetError(failure);
    if (rules.silent.has(host)) return new Promise(ignoreError);
    const conn = await network.dial({ host: parseIpAddress(host) ? host : '127.0.0.1', port });
    conns.push(conn);
    return conn;
  };
  const open = async (target: Target): Promise<TunnelStream> => {
    targets.push(target);
    const rejection = rules.rejected.get(target.host);
    if (rejection) throw new StreamResetError(rejection);
    const isConfirmed = !rules.unconfirmed.has(target.host);
    const stream = createFakeStream(dial(target), isConfirmed);
    streams.push(stream);
    for (const resolve of waiting.splice(0)) resolve(stream);
    return stream;
  };
  const nextStream = () => new Promise<TunnelStream>((resolve) => waiting.push(resolve));
  const openFlow = (onDatagram: FlowListener) => openFakeFlow(flows, onDatagram);
  return { open, openFlow, nextStream, isLive: () => rules.live, rules, targets, streams, flows, conns };
}
