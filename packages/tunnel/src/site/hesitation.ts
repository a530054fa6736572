// How long a site takes is its own affair, drawn anew for each answer, so that a little computing in front of it does not show in the time to
// the answer (reference C31, docs/resistance.md). A server that pages are made by behind it is no steadier.
import type { Env } from '../env.ts';
import { MAX_HESITATION_MS } from './limits.ts';

/** Calls `then` a moment after `leastMs`; the moment is drawn, and at most `MAX_HESITATION_MS`. */
export function hesitate({ clock, random }: Pick<Env, 'clock' | 'random'>, then: () => void, leastMs = 0): void {
  clock.setTimer(leastMs + random.fraction() * MAX_HESITATION_MS, then);
}
