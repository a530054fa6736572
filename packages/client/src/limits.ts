/** Bounds of this package, but for those of the local proxies. Times in milliseconds. */

/** A further address of a relay is tried when the last one has not answered for this long. */
export const ADDRESS_STAGGER_MS = 300;
/** One attempt at a carrier, from dialling to the relay's authenticated answer. */
export const CARRIER_ATTEMPT_MS = 8000;
/** After so many failures in a row the client doubts its idea of a relay's clock. */
export const SYNC_DOUBT_FAILURES = 2;
/** A further relay is tried for a new session when the last one has not answered for this long. */
export const RELAY_STAGGER_MS = 1000;
/** Waiting time between rounds over all relays. */
export const ROUND_BACKOFF = { minMs: 200, maxMs: 5000 } as const;
/** A session of which no carrier has answered for so long still counts as live: most cuts are mended sooner. */
export const LIVE_GRACE_MS = 2000;
/**
 * A session of which no carrier has answered for so long, beyond the time after which silence is suspect, gets company: a second session
 * through another relay (DESIGN §3.1, "home lost").
 */
export const HOME_LOST_MS = 5000;
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
