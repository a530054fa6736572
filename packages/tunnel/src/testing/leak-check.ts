import assert from 'node:assert/strict';

/** Turns of the event loop that what has just been closed gets to go away. */
const MAX_TURNS = 20_000;

/** What holds a system resource: sockets, listeners, pipes. */
const COUNTED = /^(?:TCP|Pipe|UDP)/;

/** Runs `body` and fails if it leaves a socket, listener or pipe open. */
export async function withoutLeaks<T>(body: () => Promise<T>): Promise<T> {
  const before = openResources();
  const result = await body();
  await turnsUntil(() => beyond(openResources(), before).length === 0, MAX_TURNS);
  assert.deepEqual(beyond(openResources(), before), [], 'sockets, listeners or pipes were left open');
  return result;
}

/** What is open beyond what was: something of before may have been on its way to go, and be gone. */
function beyond(open: readonly string[], before: readonly string[]): string[] {
  const left = [...before];
  return open.filter((name) => {
    const at = left.indexOf(name);
    if (at !== -1) left.splice(at, 1);
    return at === -1;
  });
}

/** Lets the event loop turn until `isDone` says so, or `maxTurns` times. Says whether it was done. */
export async function turnsUntil(isDone: () => boolean, maxTurns: number = MAX_TURNS): Promise<boolean> {
  for (let turn = 0; turn < maxTurns && !isDone(); turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  return isDone();
}

function openResources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => COUNTED.test(name))
    .sort();
}
