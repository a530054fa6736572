/** Bounds of this package, but for those of the local proxies. Times in milliseconds. */

/** A further address of a relay is tried when the last one has not answered for this long. */
export const ADDRESS_STAGGER_MS = 300;
/** One attempt at a carrier, from dialling to the relay's authenticated answer. */
export const CARRIER_ATTEMPT_MS = 8000;
/** After so many failures in a row the client doubts its idea of a relay's clock. */
export const SYNC_DOUBT_FAILURES = 2;
/**
 * Candidates in flight at once while a session is being established, and after `WIDEN_MS` without success; a further one is tried when the
 * last one has not answered for about the stagger.
 */
export const RACE_PACE = { narrowWidth: 10, wideWidth: 32, narrowStaggerMs: 150, wideStaggerMs: 25 } as const;
export const WIDEN_MS = 3000;
/** What worked last on this network is tried alone for this long. */
export const HEAD_START_MS = 1000;
/** How many of the remembered ways get the head start. */
export const HEAD_START_WAYS = 4;
/** How many ways of a region that is wished for are tried before those of others. */
export const WANTED_REGION_WAYS = 24;
/** A candidate that has been silent for so long counts as failed where it is asked whether all have. */
export const UNANSWERED_MS = 2000;
/** When every candidate is waiting for room at its host, it is looked for again after this time. */
export const ROOM_WAIT_MS = 100;
/** How long a candidate may be silent in the first pass over all; twice as long in each further one, up to the most. */
export const FIRST_PATIENCE_MS = 3000;
export const MOST_PATIENCE_MS = 12_000;
/** A round of passes; then lists are refreshed. A pass takes no longer either. */
export const ROUND_MS = 60_000;
/** How long refreshing the lists may hold up the next round. */
export const REFRESH_MS = 20_000;
/** Entries that are tried before any other, and for how long they stay the same. */
export const SAMPLE_ENTRIES = 12;
export const SAMPLE_AGE_MS: number = 28 * 86_400_000;
/** For how long what worked on a network is remembered, of how many networks, and how much. */
export const REMEMBER_MS = 86_400_000;
export const REMEMBERED_NETWORKS = 16;
export const REMEMBERED_WAYS = 8;
/** The most that the file of all this holds, in bytes. */
export const MAX_MEMORY_BYTES: number = 64 * 1024;
/**
 * The most connections to one address, with those that only linger, which go first. Censors were seen to act beyond 12 (C33); the end of one
 * that makes room may come to them after the beginning of the next.
 */
export const CONNS_PER_ADDRESS = 11;
/** Connections that are being made to one host at once. */
export const DIALS_PER_HOST = 4;
/** Lookups of the system at once: they take threads that files need, too. */
export const LOOKUPS_AT_ONCE = 2;
/** Kinds of failures that are counted for the statistics. */
export const MAX_FAILURE_KINDS = 1024;
/** How often a person who wants to know is told how far it has come. */
export const PROGRESS_MS = 1000;
/** Waiting time between passes over all candidates. */
export const ROUND_BACKOFF = { minMs: 200, maxMs: 5000 } as const;
/** A session of which no carrier has answered for so long still counts as live: most cuts are mended sooner. */
export const LIVE_GRACE_MS = 2000;
/**
 * A session of which no carrier has answered for so long, beyond the time after which silence is suspect, gets company: a second session
 * through another relay (DESIGN §3.1, "home lost").
 */
export const HOME_LOST_MS = 5000;
/** The home of a session has been silent for so long, or so many round trips: other relays are asked to forward to it (docs/spec/reroute.md §6). */
export const REROUTE_AFTER_MS = 3000;
/** It is so much where a carrier has been silent for longer than that already. */
export const REROUTE_AFTER_SILENCE_MS = 1000;
export const REROUTE_ROUND_TRIPS = 6;
/** So many other relays are asked at one time, each when the one before has not answered for this long. */
export const REROUTE_RELAYS = 4;
export const REROUTE_STAGGER_MS = 1000;
/** For how long a relay that did not forward stands behind the others. */
export const NOT_FORWARDED_MS = 300_000;
/** A rerouted session tries its home's own ways again after a random time that doubles between these. */
export const RETURN_BACKOFF = { minMs: 15_000, maxMs: 300_000 } as const;
/** Who had to leave its home again within this time waits on from where it was. */
export const RETURN_SETTLED_MS = 60_000;
/** A flow on which nothing has passed for so long gives up its place in a session; a relay has forgotten it by then. */
export const FLOW_IDLE_MS = 60_000;
/** How long a request for a stream waits for a session. */
export const OPEN_WAIT_MS = 20_000;
/** How long a target that failed is refused at once, and how many are remembered. */
export const RECENT_FAILURE_MS = 5000;
export const RECENT_FAILURES = 256;
/** How often the pool looks after its sessions. */
export const POOL_TICK_MS = 1000;
/** The most entries that one client takes. */
export const MAX_ENTRIES = 100;
/** A file of tactics that could not be read or taken is looked at again after this time. */
export const TACTICS_RETRY_MS = 300_000;
/** The most that the file of the last tactics holds, in bytes: the document in base64, and a little. */
export const MAX_TACTICS_STATE_BYTES: number = 96 * 1024;
/** Of the entries of a client that has a brand. */
export const ENTRY_BOUNDS = {
  most: MAX_ENTRIES,
  /** So many stay, whatever is said of them: those that have worked last. */
  least: 3,
  /** Of those that a list says are gone, this share of all goes in a day, and so many in any case. */
  goneShare: 0.5,
  leastGone: 4,
  /** That one works is written down once in this time. */
  workedMs: 3_600_000,
} as const;
/** How often a client looks for a newer publication, as a range; less often when nobody has used it for an hour. */
export const LIST_REFRESH_MS = { usual: [60_000, 90_000], idle: [600_000, 1_200_000], idleAfterMs: 3_600_000 } as const;
/** After its start it looks so often whether it can look through the tunnel, before it does so in the open. */
export const FIRST_LOOK_MS = 2000;
/** After a failure, while there is no session: so soon, and each time twice as long. */
export const LIST_RETRY_MS = 2000;
/** Switched off, a client looks so often whether it has been switched on, before it looks for a list. */
export const PAUSED_LOOK_MS = 3000;
/** How often it looks for entries that a person has put into its folder. */
export const ADDED_LOOK_MS = 3000;
/** The files of entries, and of those that were added by hand. */
export const MAX_ENTRIES_FILE_BYTES: number = 1024 * 1024;
/** As many files of entries that people have given are read at a time. */
export const MOST_ADDED_FILES = 16;
