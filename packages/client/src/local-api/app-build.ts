import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '@rozan/tunnel';

/** Builds the app if its sources are others than at the last time, and says where it is. */
const BUILD_PROGRAM = resolve(import.meta.dirname, '../../ui/build.mjs');
const BUILD_MS = 120_000;

/** The folder of the built app; null, and an event, if it cannot be built: all but the app goes on without. */
export async function buildApp(log: Log): Promise<string | null> {
  try {
    // A process of its own, since building would hold up what the proxies carry.
    const { stdout } = await promisify(execFile)(process.execPath, [BUILD_PROGRAM], { timeout: BUILD_MS });
    return stdout.trim();
  } catch {
    log({ event: 'app.unbuilt' });
    return null;
  }
}
