/** So many of so many. */
export interface Tally {
  readonly k: number;
  readonly n: number;
}

/** A share's interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % point of the normal distribution: both sides together leave out 5 %. */
const Z = 1.959964;

/** Wilson's interval of 95 % for a share (E. B. Wilson, 1927); from 0 to 1 when nothing was tried. */
export function wilson({ k, n }: Tally): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const share = k / n;
  const scale = 1 + Z ** 2 / n;
  const centre = (share + Z ** 2 / (2 * n)) / scale;
  const half = (Z * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2))) / scale;
  return { low: k === 0 ? 0 : Math.max(0, centre - half), high: k === n ? 1 : Math.min(1, centre + half) };
}

/** The value below which this share of the values lies (nearest rank); null of nothing. */
export function quantile(values: readonly number[], share: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

/** The sum of tallies. */
export function addTallies(tallies: readonly Tally[]): Tally {
  return { k: tallies.reduce((sum, { k }) => sum + k, 0), n: tallies.reduce((sum, { n }) => sum + n, 0) };
}
