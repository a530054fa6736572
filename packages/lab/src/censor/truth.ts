/** What a condition says of a flow: yes, no, or (null) that it cannot be told yet. The logic is Kleene's. */
export type Truth = boolean | null;

/** Whether all are true. */
export function allOf(truths: Iterable<Truth>): Truth {
  let answer: Truth = true;
  for (const truth of truths) {
    if (truth === false) return false;
    if (truth === null) answer = null;
  }
  return answer;
}

/** Whether one at least is true. */
export function anyOf(truths: Iterable<Truth>): Truth {
  let answer: Truth = false;
  for (const truth of truths) {
    if (truth === true) return true;
    if (truth === null) answer = null;
  }
  return answer;
}

/** The opposite; what cannot be told stays so. */
export function not(truth: Truth): Truth {
  return truth === null ? null : !truth;
}
