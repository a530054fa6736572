import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';

/** The commit that the lab is at, `-dirty` behind it when files differ; `unknown` where there is no repository. */
export function labCommit(): string {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], options).trim();
  } catch {
    return 'unknown';
  }
}
