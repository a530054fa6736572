import { ReplayMemory } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import { openReplayFile, type ReplayFile } from '../data-folder/replay-file.ts';
import { openStampMark, type StampMark } from '../data-folder/stamp-mark.ts';
import type { ReplayGuard } from './acceptor.ts';

/** The one replay memory of a relay, with its files. */
export interface ReplayKeeper extends AsyncDisposable {
  readonly guard: ReplayGuard;
}

function createGuard(
  env: Env,
  memory: ReplayMemory,
  { file, mark }: { readonly file: ReplayFile; readonly mark: StampMark },
): ReplayGuard {
  return async ({ channelId, replayId, stampMs, synced }) => {
    const verdict = memory.check({ channelId, replayId, stampMs, synced, nowMs: env.clock.wallMs() });
    if (verdict.kind !== 'fresh') return verdict.kind;
    const kept = verdict.persist === null ? mark.cover(stampMs) : file.append(verdict.persist);
    return kept.then(
      () => 'fresh',
      () => 'full',
    );
  };
}

/**
 * Opens the replay memory whose file is at `replayPath`; beside it lies the mark of synced flights. Throws a `RelayError` when the files
 * cannot be opened.
 */
export async function openReplayKeeper(env: Env, replayPath: string): Promise<ReplayKeeper> {
  await using stack = new AsyncDisposableStack();
  const nowMs = env.clock.wallMs();
  const mark = await openStampMark(`${replayPath}-mark`);
  stack.defer(() => mark.close());
  const behindMs = mark.clockBehindMs(nowMs);
  if (behindMs > 0) env.log({ event: 'clock.behind', byMs: behindMs });
  const memory = new ReplayMemory({ startMs: Math.max(nowMs, mark.restoredMs + 1) });
  const file = await openReplayFile(replayPath, { memory, nowMs });
  stack.defer(() => file.close());
  const running = stack.move();
  return { guard: createGuard(env, memory, { file, mark }), [Symbol.asyncDispose]: () => running.disposeAsync() };
}
