/** How well one threshold tells two sets of samples apart: 0.5 not at all, 1 without a mistake. With its 95 % interval. */
export interface Separation {
  readonly auc: number;
  readonly low: number;
  readonly high: number;
}

const Z_95 = 1.96;

/** The sum of the ranks, from 1 on, of `ours` among all samples; equal ones share the mean of their ranks. */
function rankSum(ours: readonly number[], theirs: readonly number[]): number {
  const all = [...ours.map((value) => ({ value, isOurs: true })), ...theirs.map((value) => ({ value, isOurs: false }))];
  all.sort((a, b) => a.value - b.value);
  let sum = 0;
  for (let start = 0; start < all.length; ) {
    let end = start;
    let found = 0;
    while (end < all.length && all[end]?.value === all[start]?.value) {
      if (all[end]?.isOurs) found += 1;
      end += 1;
    }
    sum += found * ((start + 1 + end) / 2);
    start = end;
  }
  return sum;
}

/**
 * The area under the ROC curve of the best one-sided threshold on one number (Mann and Whitney's U), folded so that it does not matter which
 * set is the slower one. Its standard error is that of J. A. Hanley and B. J. McNeil, Radiology 143 (1982).
 */
export function separate(ours: readonly number[], theirs: readonly number[]): Separation {
  const [m, n] = [ours.length, theirs.length];
  const u = rankSum(ours, theirs) - (m * (m + 1)) / 2;
  const auc = Math.max(u, m * n - u) / (m * n);
  const [q1, q2] = [auc / (2 - auc), (2 * auc * auc) / (1 + auc)];
  const variance = (auc * (1 - auc) + (m - 1) * (q1 - auc * auc) + (n - 1) * (q2 - auc * auc)) / (m * n);
  const reach = Z_95 * Math.sqrt(variance);
  return { auc, low: auc - reach, high: Math.min(1, auc + reach) };
}
