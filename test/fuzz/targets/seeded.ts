import type { FuzzTarget } from '../target.ts';
import { framesWithBug } from './frames.ts';

/** The name of the target that has a bug on purpose: whether it is found tells whether the fuzzer finds anything. */
export const SEEDED_BUG = 'seeded-bug';

/** The name of the target that never comes back from some inputs. */
export const SEEDED_HANG = 'seeded-hang';

/** What the fuzzer itself is tested with. */
export const SEEDED_TARGETS: readonly FuzzTarget[] = [
  framesWithBug(SEEDED_BUG),
  {
    name: SEEDED_HANG,
    run: (input) => {
      for (let turns = 0; turns < 10 || input[0] === 0xff; turns++) {}
      return 'came back';
    },
    seeds: [Buffer.from('00', 'hex')],
    maxBytes: 4,
    allowedErrors: [],
  },
];
