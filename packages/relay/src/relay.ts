import type { Env } from '@rozan/tunnel';
import { openReplayKeeper } from './accept/replay-keeper.ts';
import { createRelayCore, type Relay, type RelayCounters, type RelaySetup } from './relay-core.ts';

/** What `createRelay` needs. */
export interface RelayOptions extends RelaySetup {
  /** The file of unsynced handshakes; see `openReplayFile`. Beside it lies the mark of synced ones; see `openStampMark`. */
  readonly replayPath: string;
  readonly counters: RelayCounters;
}

/**
 * Starts a relay in this process alone. Rejects with a `TunnelError` when it cannot listen, with a `RelayError` when its file of
 * handshakes cannot be opened; nothing is left behind then.
 */
export async function createRelay(options: RelayOptions, env: Env): Promise<Relay> {
  await using stack = new AsyncDisposableStack();
  const { replayPath, ...setup } = options;
  const { guard: replayGuard } = stack.use(await openReplayKeeper(env, replayPath));
  const core = stack.use(await createRelayCore({ ...setup, replayGuard }, env));
  const { acceptHandedOver: _none, ...relay } = core;
  const running = stack.move();
  return { ...relay, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
