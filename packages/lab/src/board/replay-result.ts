import type { Tally } from './statistics.ts';

/** What one phase of a replay did to its users. */
export interface PhaseResult {
  readonly id: string;
  readonly name: string;
  /** As the scenario file has them. */
  readonly when: string;
  /** What the sources say happened. */
  readonly history: string;
  readonly seconds: number;
  readonly measures: {
    /** Users that fetched something in the phase, of all. */
    readonly users: Tally;
    /** Small pages that came, of those asked for. */
    readonly pages: Tally;
    /** Downloads that took longer than a minute, and came whole. */
    readonly longDownloads: Tally;
    readonly pageSecondsP50: number | null;
    readonly pageSecondsP95: number | null;
    /** Goodput in bytes a second of users that download, of what the censor lets them have; null where it does not limit. */
    readonly goodputShare: number | null;
    readonly longestStallSeconds: number | null;
    /** Sessions opened for each user, and connections of carriers. */
    readonly sessionsPerUser: number;
    readonly carriersPerUser: number;
    /** New carriers that replace lost ones, for each hour of a user. */
    readonly reconnectsPerUserHour: number;
    /** Users that have a session at the end of the phase. */
    readonly connected: Tally;
    /** Until 9 in 10 users were back on the transport they had in the first phase; null if that did not happen or was not asked. */
    readonly backSeconds: number | null;
  };
  /** What was asked of the phase, and whether it holds. */
  readonly aims: readonly { readonly text: string; readonly value: string; readonly holds: boolean }[];
}

/** A replay: phases one after the other over the same users. */
export interface ReplayResult {
  readonly scenario: string;
  readonly title: string;
  readonly users: number;
  readonly commit: string;
  /** RFC 3339. */
  readonly date: string;
  readonly timeScale: number;
  readonly phases: readonly PhaseResult[];
  /** Samples over the whole run; each list is as long as `seconds`. */
  readonly series: {
    readonly seconds: readonly number[];
    readonly connectedShare: readonly number[];
    readonly kilobitsPerUser: readonly number[];
    readonly carriersPerUserMinute: readonly number[];
  };
  readonly notes: readonly string[];
}
