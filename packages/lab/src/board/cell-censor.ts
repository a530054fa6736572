import type { ProberCounts } from '../censor/middlebox.ts';
import type { Route } from './subject.ts';

/** What a censor has seen and done in a cell. */
export interface CensorCounts {
  readonly connections: number;
  /** Connections on which a rule has acted. */
  readonly acted: number;
}

/** The censor of one cell: everything between its clients and servers passes it. */
export interface CellCensor extends AsyncDisposable {
  /** The ways of a user who is seen at this address. */
  routeFor(userHost: string): Route;
  /** The same for UDP. */
  datagramRouteFor(userHost: string): Route;
  /** Of one user, or of all together. */
  counts(userHost?: string): CensorCounts;
  /** What its prober has made of servers so far. */
  readonly prober: ProberCounts;
  /** Resolves when no probe is under way. */
  probesOver(): Promise<void>;
}
