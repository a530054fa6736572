// What of a table falls short of what is asked, and what is known of why.
import { type Scoreboard, shareText, tallyText } from './scoreboard.ts';

/** The share of fresh sessions that have to get through. */
const REACHED_AIM = 0.95;

/** A cell of an adaptive client that is not what it has to be. */
export interface Shortfall {
  readonly policy: string;
  readonly subject: string;
  readonly what: string;
  readonly why: string;
}

/** The cells in which an adaptive client gets through too seldom, or its long download breaks. */
export function findShortfalls(board: Scoreboard): Shortfall[] {
  const adaptive = new Set(board.subjects.filter(({ isAdaptive }) => isAdaptive).map(({ name }) => name));
  const cells = board.cells.filter(({ subject }) => adaptive.has(subject));
  return cells.flatMap(({ policy, subject, reached, survival, failures }) => {
    const { hopeless } = board.policies.find(({ id }) => id === policy) ?? {};
    const because = (told: string) => hopeless ?? told;
    const found: Shortfall[] = [];
    if (reached.n > 0 && reached.k / reached.n < REACHED_AIM) {
      const whys = Object.entries(failures).map(([why, count]) => `${count} times: ${why}`);
      const what = `${tallyText(reached)} got through, ${shareText(reached)}`;
      found.push({ policy, subject, what, why: because(whys.join('; ')) });
    }
    if (survival !== null && !survival.isWhole) {
      const { bytes, wantedBytes, seconds, longestStallSeconds, connections, why } = survival;
      const what = `${(bytes / 1e6).toFixed(1)} of ${(wantedBytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(0)} s`;
      const stall = `nothing for ${longestStallSeconds.toFixed(0)} s, ${connections} connections`;
      found.push({ policy, subject, what, why: because(`${why ?? 'not whole'}; ${stall}`) });
    }
    return found;
  });
}

/** The same for a terminal; one line says so when there are none. */
export function formatShortfalls(board: Scoreboard): string {
  const found = findShortfalls(board);
  if (found.length === 0) return 'The adaptive client is what it has to be in every cell.';
  const lines = found.map(({ policy, subject, what, why }) => `  ${policy.padEnd(13)}${subject}: ${what} (${why})`);
  return [`Short of what is asked (95 % get through, the long download comes whole):`, ...lines].join('\n');
}
