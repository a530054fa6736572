import type { CancelTimer, Clock } from './env.ts';
import { TunnelError } from './errors.ts';
import type { Conn } from './network.ts';

/** How a splice ended. */
export interface SpliceResult {
  readonly bytesAToB: number;
  readonly bytesBToA: number;
  /** Missing if both directions came to a clean end. */
  readonly error?: Error;
}

/** How two connections are spliced. */
export interface SpliceOptions {
  /** Called once, when both directions have ended cleanly or the splice has failed. */
  readonly onDone?: ((result: SpliceResult) => void) | undefined;
  /** Ends `a` (or `b`), which is still open, so that its peer sees an error. Defaults to `resetAndDestroy()`, or `destroy(error)` where there is none. */
  readonly resetA?: ((error: Error) => void) | undefined;
  readonly resetB?: ((error: Error) => void) | undefined;
  /** Fails the splice with `timed-out` when nothing has moved in either direction for that long. */
  readonly idle?: { readonly clock: Clock; readonly idleMs: number } | undefined;
}

/** One side of a splice: its connection, how far it has come, and how to break it. */
interface Side {
  readonly conn: Conn;
  readonly reset: (error: Error) => void;
  /** Bytes read from it. */
  bytes: number;
  /** It will send nothing more. */
  hasEnded: boolean;
  /** It has taken everything that it will be sent. */
  hasFinished: boolean;
}

/**
 * Joins two connections: what one sends the other gets, with back-pressure and half-close, until both directions have ended.
 * If one side fails, or closes before its end, the other is reset: what was cut short must not look whole.
 * It needs both connections for itself, and has taken all its listeners off them when they are closed.
 */
export function splice(a: Conn, b: Conn, options: SpliceOptions = {}): void {
  const sideA = createSide(a, options.resetA);
  const sideB = createSide(b, options.resetB);
  let isDone = false;
  const detachers: (() => void)[] = [];
  const finish = (error?: Error) => {
    if (isDone) return;
    isDone = true;
    for (const detach of detachers) detach();
    for (const side of [sideA, sideB]) {
      swallowLateErrors(side.conn);
      if (error !== undefined && !side.conn.destroyed) side.reset(error);
    }
    const counts = { bytesAToB: sideA.bytes, bytesBToA: sideB.bytes };
    options.onDone?.(error === undefined ? counts : { ...counts, error });
  };
  const onProgress = () => {
    if (sideA.hasEnded && sideA.hasFinished && sideB.hasEnded && sideB.hasFinished) finish();
  };
  const idleTimer = options.idle === undefined ? null : createIdleTimer({ ...options.idle, onIdle: finish });
  detachers.push(
    pump({ from: sideA, to: sideB, onFailure: finish, onProgress, onBytes: idleTimer?.touch }),
    pump({ from: sideB, to: sideA, onFailure: finish, onProgress, onBytes: idleTimer?.touch }),
  );
  if (idleTimer !== null) detachers.push(idleTimer.stop);
}

function createSide(conn: Conn, reset: ((error: Error) => void) | undefined): Side {
  return {
    conn,
    reset: reset ?? ((error) => resetConn(conn, error)),
    bytes: 0,
    hasEnded: conn.readableEnded,
    hasFinished: conn.writableFinished,
  };
}

function resetConn(conn: Conn, error: Error): void {
  if (conn.resetAndDestroy === undefined) conn.destroy(error);
  else conn.resetAndDestroy();
}

/** After the splice a connection may still report an error on its way to being closed; nobody is left to whom it matters. */
function swallowLateErrors(conn: Conn): void {
  if (conn.closed) return;
  const ignore = () => {};
  conn.on('error', ignore);
  conn.once('close', () => conn.off('error', ignore));
}

interface PumpOptions {
  readonly from: Side;
  readonly to: Side;
  readonly onFailure: (error: Error) => void;
  readonly onProgress: () => void;
  readonly onBytes: (() => void) | undefined;
}

/** Moves bytes one way, and watches `from` for failures. Returns what takes its listeners off again. */
function pump(options: PumpOptions): () => void {
  const { from, to, onFailure, onProgress, onBytes } = options;
  const source = from.conn;
  const sink = to.conn;
  const onData = (chunk: Buffer) => {
    from.bytes += chunk.length;
    onBytes?.();
    gather();
    const takesMore = isReleasing ? sink.write(chunk, () => source.releaseRead?.(chunk)) : sink.write(chunk);
    if (!takesMore) source.pause();
  };
  const isReleasing = sink.forgetsWrites === true && source.releaseRead !== undefined;
  // What one read brings goes out in one write.
  let isGathering = false;
  const gather = () => {
    if (isGathering || !isReleasing) return;
    isGathering = true;
    sink.cork();
    process.nextTick(() => {
      isGathering = false;
      sink.uncork();
    });
  };
  const onBorrowed = (bytes: Buffer): boolean => {
    from.bytes += bytes.length;
    onBytes?.();
    if (sink.writeBorrowed?.(bytes)) return true;
    source.pause();
    return false;
  };
  const isBorrowing = source.borrowReads !== undefined && sink.writeBorrowed !== undefined;
  const onDrain = () => {
    onBytes?.();
    source.resume();
  };
  const onEnd = () => {
    from.hasEnded = true;
    sink.end();
    onProgress();
  };
  const onFinish = () => {
    to.hasFinished = true;
    onProgress();
  };
  const onClose = () => {
    if (!(from.hasEnded && from.hasFinished)) onFailure(new TunnelError('failed', 'closed before its end'));
  };
  if (!isBorrowing) source.on('data', onData);
  source.on('end', onEnd).on('error', onFailure).on('close', onClose);
  sink.on('drain', onDrain).on('finish', onFinish);
  let isAttached = true;
  if (isBorrowing) source.borrowReads?.(onBorrowed);
  // It may have been paused between a handshake and now, which a listener for data alone does not undo.
  source.resume();
  // What happened before is not told again by events.
  process.nextTick(() => {
    if (!isAttached) return;
    if (source.errored) onFailure(source.errored);
    else if (source.destroyed) onClose();
    else if (from.hasEnded) onEnd();
  });
  return () => {
    isAttached = false;
    if (isBorrowing) source.borrowReads?.(null);
    source.off('data', onData).off('end', onEnd).off('error', onFailure).off('close', onClose);
    sink.off('drain', onDrain).off('finish', onFinish);
  };
}

interface IdleTimer {
  readonly touch: () => void;
  readonly stop: CancelTimer;
}

interface IdleTimerOptions {
  readonly clock: Clock;
  readonly idleMs: number;
  readonly onIdle: (error: Error) => void;
}

/** One timer at a time, set anew only when it fires: a byte costs a look at the clock and nothing else. */
function createIdleTimer(options: IdleTimerOptions): IdleTimer {
  const { clock, idleMs, onIdle } = options;
  let touchedAtMs = clock.monotonicMs();
  let cancel: CancelTimer;
  const arm = (delayMs: number) => {
    cancel = clock.setTimer(delayMs, () => {
      const leftMs = touchedAtMs + idleMs - clock.monotonicMs();
      if (leftMs > 0) arm(leftMs);
      else onIdle(new TunnelError('timed-out', 'nothing moved for too long'));
    });
  };
  arm(idleMs);
  return {
    touch: () => {
      touchedAtMs = clock.monotonicMs();
    },
    stop: () => cancel(),
  };
}
