const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Of one control plane's use of its database. */
export const DATABASE_BOUNDS = {
  connections: 12,
  connectMs: 5 * SECOND_MS,
  statementMs: 20 * SECOND_MS,
  lockMs: 5 * SECOND_MS,
  idleInTransactionMs: 30 * SECOND_MS,
  /** How often a transaction is begun that others get in the way of. */
  tries: 5,
} as const;

/** Of the HTTP server. */
export const HTTP_BOUNDS = {
  connections: 2_000,
  bodyBytes: 256 * 1024,
  requestMs: 30 * SECOND_MS,
  /** Requests of one address in a minute: all of them, and those by which somebody could guess. */
  perMinute: 6_000,
  guessesPerMinute: 20,
  /** Addresses that are counted at a time. */
  countedAddresses: 20_000,
  pageRows: 500,
} as const;

/** Of accounts and what they log in with. */
export const LOGIN_BOUNDS = {
  linkMs: DAY_MS,
  /** A session ends after so long without a request, and after so long in any case. */
  sessionIdleMs: 30 * MINUTE_MS,
  sessionMs: 12 * HOUR_MS,
  /** A session is written to when it was last used this long ago. */
  sessionTouchMs: MINUTE_MS,
  challengeMs: 5 * MINUTE_MS,
  /** Wrong passwords or codes before an account waits, and how long it does. */
  failures: 5,
  waitMs: MINUTE_MS,
  passwordChars: { min: 12, max: 200 },
  tokenDays: 365,
  passkeys: 10,
} as const;

/** Of relays. */
export const RELAY_BOUNDS = {
  /** A relay holds the entries of so many others (docs/spec/reroute.md). */
  siblings: 12,
  transports: 8,
  addresses: 8,
  paramsBytes: 1_024,
  channels: 200,
  /** Of one channel at a relay, beside the one that holds; a relay refuses settings with more. */
  formerSecrets: 16,
  buckets: 256,
  enrolmentMs: 7 * DAY_MS,
  /** Reports come once a minute; a relay that has missed three is silent. */
  silentMs: 3 * MINUTE_MS,
  entryMs: 30 * DAY_MS,
} as const;

/** Of the publication. */
export const PUBLICATION_BOUNDS = {
  /** How often a control plane looks for changes, and how often it publishes without one: dates have to be renewed, and people's signatures come. */
  lookMs: 2 * SECOND_MS,
  everyMs: MINUTE_MS,
  /** After a failure. */
  againMs: 15 * SECOND_MS,
  /** Entries in a bucket; where relays are blocked here or there, it is filled up with these. */
  bucketRelays: 32,
  leastBucketRelays: 3,
  brandEntries: 8,
  notedChanges: 100,
  /** What a brand file may hold (docs/spec/brand.md). */
  mirrors: 64,
  homes: 260,
  recipients: 16,
  tacticsKeys: 8,
} as const;
