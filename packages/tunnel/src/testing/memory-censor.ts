import type { Clock } from '../env.ts';
import type { CutKind } from './memory-lane.ts';

/** What a censor in the middle lets each connection do before he cuts it. */
export interface CensorRule {
  readonly how: CutKind;
  /** It may be so old, */
  readonly afterMs?: number;
  /** and carry so many bytes, both ways together. */
  readonly afterBytes?: number;
}

/** Watches one connection, and cuts it by the rule. Gives what looks at its bytes. */
export function watchConnection(clock: Clock, rule: CensorRule, cut: (kind: CutKind) => void): (bytes: number) => void {
  let passed = 0;
  if (rule.afterMs !== undefined) clock.setTimer(rule.afterMs, () => cut(rule.how));
  return (bytes) => {
    passed += bytes;
    if (passed > (rule.afterBytes ?? Number.POSITIVE_INFINITY)) cut(rule.how);
  };
}
