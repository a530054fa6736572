/**
 * Every bound of a relay, in one place (DESIGN §3.2, §3.5, §7.1). Sizes are bytes, times are milliseconds.
 * "Prefix" is a source's network: an IPv4 /24 or an IPv6 /48.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Memory for sessions: relay-wide, and per session. */
export const MEMORY_BOUNDS = {
  /** Share of the machine's memory that all sessions together may hold. */
  shareOfMachine: 0.25,
  /** The least budget, so that a tiny machine can still serve someone. */
  leastTotalBytes: 64 * MIB,
  /** What one session with a carrier may hold. */
  liveSessionBytes: 32 * MIB,
  /** Of that, what may still come when it was told to read no more: reads that are under way, and what its client sends. */
  underWayBytes: 2 * MIB,
  /** What a session without a carrier may hold for sure; more is kept only while the relay has room to spare. */
  detachedSessionBytes: 256 * KIB,
  /** Above this share of the budget, detached sessions larger than `detachedSessionBytes` are reset. */
  oversizeShare: 0.5,
  /** Above this share of its bound, sessions that were told to stop reading stay stopped. */
  resumeShare: 0.9,
} as const;

/**
 * How long, and how many, sessions are kept whose first carrier died before anything came on it: their clients may be on the way with another.
 * They cost their makers a handshake and no connection, so they must not fill what is there for sessions.
 */
export const UNCONFIRMED_BOUNDS = {
  retentionMs: 30 * SECOND,
  perChannel: 2_000,
  perPrefix: 400,
} as const;

/** How long, and how many, sessions without a carrier are kept. */
export const DETACHED_BOUNDS = {
  retentionMs: 5 * MINUTE,
  perChannel: 20_000,
  perPrefix: 4_000,
} as const;

/** Caps on what sources and channels may use at one time. */
export const SOURCE_BOUNDS = {
  sessions: 50_000,
  sessionsPerChannel: 40_000,
  sessionsPerPrefix: 8_000,
  streamsPerSession: 1_024,
  streamsPerPrefix: 32_768,
  dialsPerSession: 128,
  dialsPerPrefix: 1_024,
  /** Dials that one prefix may start per second in the long run, and at once. */
  dialRatePerSecond: 1_000,
  dialBurst: 5_000,
  flowsPerSession: 256,
  flowsPerPrefix: 4_096,
  flowsPerChannel: 12_288,
  /** New addresses that the flows of one session, or prefix, may speak to per second in the long run, and at once. */
  remoteRatePerSession: 32,
  remoteBurstPerSession: 1_024,
  remoteRatePerPrefix: 320,
  remoteBurstPerPrefix: 8_192,
  /** Prefixes remembered while they hold nothing, for their dial rate and scan brake. */
  idlePrefixes: 8_192,
} as const;

/** The scan brake: many distinct targets that fail in a short time slow a session, or a prefix, down. */
export const SCAN_BOUNDS = {
  /** Failures are counted over two halves of this time. */
  windowMs: 60 * SECOND,
  /** Distinct failing targets after which a session is slowed. */
  failuresPerSession: 64,
  /** Distinct failing targets after which a prefix, which may be a carrier's NAT for thousands, is slowed. */
  failuresPerPrefix: 512,
  /** The first pause before a dial; it doubles with each further quarter of the threshold. */
  firstDelayMs: 250,
  longestDelayMs: 8 * SECOND,
  /** Dials at one time of a session that is braked. */
  dialsWhileBraked: 4,
} as const;

/** Datagram flows and their sockets. */
export const DATAGRAM_BOUNDS = {
  /** A flow on which nothing passes is closed after this time; RFC 4787 §4.3 asks for two minutes where ports are not scarce. */
  idleMs: 60 * SECOND,
  /** A flow that has only asked name servers: RFC 4787 §4.3 allows less for well-known ports. */
  dnsIdleMs: 15 * SECOND,
  sweepMs: SECOND,
  /** Sockets of all flows together; a flow has one for each IP version that it uses. */
  sockets: 16_384,
  /** Addresses from which a flow takes answers; the least recently used is forgotten. */
  remotesPerFlow: 1_024,
  /** What waits for one look-up. */
  waiting: { datagrams: 16, bytes: 64 * KIB },
  /** How long a target that was refused stays so without a further look. */
  refusedMs: 5 * SECOND,
  /** What a flow may send to an address that has never answered: nobody can be flooded who does not want to listen. */
  unansweredBytes: 256 * KIB,
  /** Flows of a session whose end is remembered, so that a datagram which comes late does not open them again. */
  closedFlows: 64,
} as const;

/** Looking up names and connecting to destinations. */
export const EGRESS_BOUNDS = {
  /** From the request for a stream to a connection, the look-up included. */
  connectTimeoutMs: 10 * SECOND,
  /** RFC 8305 §8: "Connection Attempt Delay". */
  attemptStaggerMs: 250,
  /** RFC 8305 §8: "Resolution Delay". */
  resolutionDelayMs: 50,
  /** Addresses of one name that are tried. */
  addressesPerName: 8,
  /** Connection attempts at one time, all sources together. */
  connects: 4_096,
  lookupTimeoutMs: 5 * SECOND,
  /** Look-ups at one time, and those that may wait for their turn. */
  lookups: 64,
  queuedLookups: 1_024,
  cachedNames: 4_096,
  /** A system resolver names no time to live: this stands for it, and caps what configured servers name. */
  longestCacheMs: 30 * SECOND,
  /** How long "no such name" is believed. */
  negativeCacheMs: 5 * SECOND,
} as const;

/** Connections that are not, or not yet, carriers (DESIGN §3.2 "Strangers"). */
export const STRANGER_BOUNDS = {
  /** The relay's own idle time is drawn once from this range. */
  leastIdleMs: 10 * MINUTE,
  longestIdleMs: 60 * MINUTE,
  /** Each connection's idle time differs from the relay's by at most this share. */
  idleJitter: 0.05,
  /** All of them; at this number the relay stops listening. */
  total: 16_384,
  /** Below this share of `total` it listens again. */
  reopenShare: 0.9,
  /** Of one prefix; beyond, its oldest is let go, if it is older than `leastAgeMs`. */
  perPrefix: 1_024,
  /** Probes give up within seconds: a connection older than this may go when its prefix has too many. */
  leastAgeMs: 2 * MINUTE,
  /** Of one prefix; beyond, its oldest is let go, however young. */
  perPrefixAtAnyAge: 4_096,
  /** How often idle connections are looked for. */
  sweepMs: 5 * SECOND,
  /** How long an ended connection may linger for the peer's end. */
  lingerMs: 5 * SECOND,
} as const;

/** Carriers that go on to another relay, and those that come from one (docs/spec/reroute.md §4, §5). */
export const FORWARD_BOUNDS = {
  /** Relays that this one forwards to and for. */
  siblings: 12,
  /** Carriers forwarded at one time: all, to one sibling, of one source. */
  carriers: 4_096,
  carriersPerSibling: 1_024,
  carriersPerSource: 256,
  /** Requests that are not decided yet, or refused and not told so yet: all, of one source. */
  pending: 512,
  pendingPerSource: 64,
  /** Carriers at one time that come from one sibling. */
  arrivalsPerSibling: 1_024,
  /** From a request to the home's answer; less than the earliest refusal. */
  homeMs: 2_900,
  /** A further way to the home is tried when the last one has not answered for this long. */
  staggerMs: 300,
  /** A refusal is told at a time drawn from this range, whatever its reason. */
  earliestRefusalMs: 3_000,
  latestRefusalMs: 4_500,
  /** A forwarded carrier on which nothing passes is let go after this time. */
  idleMs: 3 * MINUTE,
} as const;

/** The listening sockets, when they could not be opened again after the relay was full of strangers. */
export const LISTEN_BOUNDS = { retryMs: SECOND } as const;

/** The file of unsynced handshakes (DESIGN §3.2 "Replays"). */
export const REPLAY_FILE_BOUNDS = {
  /** Twice what the protocol's memory holds, so that the file is rewritten rarely. */
  entries: 2 ** 19,
  /** Entries that may wait for one write. */
  queued: 4_096,
} as const;

/** The local control socket and the metrics page. */
export const LOCAL_BOUNDS = {
  controlLineBytes: 4 * KIB,
  /** A reply is larger than a request: a status has a few dozen counters. */
  controlReplyBytes: 64 * KIB,
  controlConns: 16,
  controlIdleMs: 30 * SECOND,
  /** The longest path of a Unix socket that every system takes (macOS: 104 with its end mark; Linux: 108). */
  socketPathBytes: 103,
  metricsConns: 32,
  metricsIdleMs: 10 * SECOND,
} as const;

/** Worker processes and their supervisor. */
export const WORKER_BOUNDS = {
  workers: 256,
  /** How long a worker waits for the replay memory; then it refuses the flight. */
  verdictMs: 3 * SECOND,
  /** Batches of flights on their way to the replay memory, and flights that may wait for the next one. */
  flightBatches: 8,
  waitingFlights: 4_096,
  /** How long a worker waits to hear who owns a session; then the client is told to ask again. */
  homeMs: 3 * SECOND,
  /** How long a worker's socket waits for the header of a connection that is handed over. */
  headerMs: 5 * SECOND,
  /** How long a report of a worker is waited for; then its last one stands. */
  reportMs: SECOND,
  /** A worker that has died is started again after a time that doubles from the first to the last. */
  firstRestartMs: 100,
  longestRestartMs: 10 * SECOND,
  /** A worker that has run for so long begins with the first again. */
  settledMs: MINUTE,
  /** How long workers may take to end before they are killed. */
  stopMs: 1_200,
} as const;

/** Size of `relay.json` and counts inside it. */
export const CONFIG_BOUNDS = {
  fileBytes: MIB,
  channels: 1_000,
  addresses: 64,
} as const;

/** What a relay of a network says to its control plane, and hears. */
export const ENROLMENT_BOUNDS = {
  requestMs: 20 * SECOND,
  replyBytes: MIB,
  tokenBytes: 1024,
  /** It reports after a random time between these, and after a failure sooner, ever less often. */
  reportMs: [50 * SECOND, 65 * SECOND],
  retryMs: [3 * SECOND, 60 * SECOND],
  /** A credential is renewed at an age between these, and where that has failed, not again before so long. */
  renewMs: [20 * DAY, 30 * DAY],
  renewAgainMs: HOUR,
} as const;

/** Certificates of authorities. */
export const CERTIFICATE_BOUNDS = {
  /** Addresses of an authority that are tried for one request. */
  addresses: 4,
  /** Until a request is answered. */
  requestMs: 30 * SECOND,
  answerBytes: 256 * KIB,
  fileBytes: 512 * KIB,
  /** Times that a request is sent again because of its nonce. */
  nonces: 5,
  /** Authorizations of one order that are looked at: an order of ours has one. */
  authorizations: 4,
  /** Between looks at what the authority has not decided yet, unless it says more. */
  leastPollMs: 2 * SECOND,
  longestPollMs: 30 * SECOND,
  /** So long an order may stay undecided. */
  undecidedMs: 10 * MINUTE,
  /** A certificate is replaced when less than this share of its life is left, and as much earlier as is drawn. */
  renewShare: 1 / 3,
  renewJitterShare: 1 / 20,
  /** Whether it is time is looked at so often: a clock that jumps, or a machine that slept, is noticed. */
  lookMs: 6 * 60 * MINUTE,
  /** After a failure; twice as long after each further one. Let's Encrypt bears five failures of a name an hour. */
  firstRetryMs: 10 * MINUTE,
  longestRetryMs: 12 * 60 * MINUTE,
} as const;
