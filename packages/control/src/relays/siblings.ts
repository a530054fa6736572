/** A relay that is to have siblings. */
export interface SiblingCandidate {
  readonly id: string;
  readonly region: string | null;
  /** How many it has already. */
  readonly siblings: number;
}

/**
 * The relays that a relay gets as its siblings, the best first: those with the fewest, so that all get some, and of these those elsewhere before those in
 * its own region, because what blocks the one should not block the other. At most as many as it lacks, and none that has its number.
 */
export function chooseSiblings(
  relay: SiblingCandidate,
  others: readonly SiblingCandidate[],
  maxSiblings: number,
): readonly string[] {
  const isElsewhere = (other: SiblingCandidate): number =>
    relay.region === null || other.region === null || other.region !== relay.region ? 0 : 1;
  return others
    .filter((other) => other.id !== relay.id && other.siblings < maxSiblings)
    .sort((a, b) => a.siblings - b.siblings || isElsewhere(a) - isElsewhere(b) || (a.id < b.id ? -1 : 1))
    .slice(0, Math.max(0, maxSiblings - relay.siblings))
    .map(({ id }) => id);
}
