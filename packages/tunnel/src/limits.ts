import type { LedgerBounds, WindowBounds } from '@rozan/protocol';

/** All bounds of this package. Times in milliseconds, sizes in bytes. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Bytes in flight on one carrier. The most is what a relay keeps for one live session (DESIGN §3.5). */
export const CARRIER_IN_FLIGHT: LedgerBounds = {
  initialBytes: 32 * KIB,
  minBytes: 6 * KIB,
  maxBytes: 28 * MIB,
  queueMs: 100,
};
/** The same on one whose bytes come in bunches, as messages side by side wait for each other. */
export const BUNCHED_QUEUE_MS = 250;

/** What a stream's receiver takes before the reader has read; both sides start from `initialBytes` (docs/spec/wire.md). */
export const STREAM_WINDOW: WindowBounds = { initialBytes: 256 * KIB, maxBytes: 28 * MIB };

/** What a session's receiver takes over all its streams; at a relay no more than what that keeps for one session (DESIGN §3.5). */
export const SESSION_WINDOW: WindowBounds = { initialBytes: MIB, maxBytes: 32 * MIB };
export const CLIENT_SESSION_WINDOW: WindowBounds = { initialBytes: MIB, maxBytes: 48 * MIB };

/**
 * What of a session's window is for the first windows of streams. Windows that have grown take the rest together: readers that have
 * stopped after a quick start must not stop everybody.
 */
export const FIRST_WINDOWS_BYTES: number = 8 * MIB;

/** Of what windows may grow by, the share for streams that have shown to need it; new ones share the rest. */
export const PROVEN_GROWTH_SHARE = 1 / 4;

/** Bytes that the streams of a session hold beyond what carriers have taken; more is taken from the applications as it drains. */
export const SESSION_PENDING_BYTES: number = 256 * KIB;

/** Datagrams that wait for a carrier: of a session, of one flow, and for how long. Older ones are of no use to anybody. */
export const DATAGRAM_QUEUE = { bytes: 2 * MIB, flowBytes: MIB, ageMs: 200 } as const;

/** Datagrams that come within this time of each other go together. */
export const DATAGRAM_BATCH_MS = 1;

/** Buffers of this size and above are freed as soon as they have been used. */
export const FREED_BYTES: number = 16 * KIB;

/** Lent bytes are copied in pieces of this size: one fits into a record. */
export const BORROWED_PIECE_BYTES: number = 128 * KIB;

/** Pieces whose memory a stream keeps for the next ones while others of it are on their way. */
export const MAX_SPARE_PIECES = 8;

/** Bytes that wait in front of a carrier's kernel buffer at most. */
export const CARRIER_QUEUE_BYTES: number = 512 * KIB;

/** A record carries what its carrier delivers in this time, within the two bounds below. */
export const RECORD_TIME_MS = 25;
export const MIN_RECORD_BYTES = 1400;
/** One read of a socket and its headers fit in. */
export const MAX_RECORD_BYTES: number = 128 * KIB + 128;
/** The first records, while the carrier's rate is unknown. */
export const FIRST_RECORD_BYTES: number = 8 * KIB;
/** Records smaller than this are padded by a random length below `SMALL_RECORD_PADDING_BYTES`. */
export const SMALL_RECORD_BYTES = 512;
export const SMALL_RECORD_PADDING_BYTES = 256;

/** An acknowledgement goes out after so many records or bytes, or after `ACK_DELAY_MS`. */
export const ACK_RECORDS = 2;
export const ACK_BYTES: number = 128 * KIB;
export const ACK_DELAY_MS = 20;

/** Streams that a session holds at once, and stream ids that may be missing below the highest seen. */
export const MAX_SESSION_STREAMS = 4096;
export const MAX_SKIPPED_STREAM_IDS = 4096;
/** Streams that a client has open at once: the relay may still count others whose end is not yet acknowledged. */
export const MAX_OPEN_STREAMS = 2048;
/** Runs of bytes that all streams of a session hold behind gaps: each costs some 150 bytes beside its own. */
export const MAX_HELD_RUNS = 65_536;
/** Frames without stream bytes that wait for a carrier, a few for each stream; more come of a peer that asks and does not listen. */
export const MAX_WAITING_FRAMES = 16_384;
/** Frames without stream bytes that were sent and that the peer has not acknowledged; more come of a peer that asks and never does. */
export const MAX_UNACKNOWLEDGED_FRAMES = 65_536;
/** Carriers of a session at once, and lost ones whose fate is still being told. */
export const MAX_SESSION_CARRIERS = 16;
/** Of which a client has no more than this, so that it is never the relay that has to choose which one goes. */
export const MAX_CLIENT_CARRIERS = 12;
export const MAX_GONE_CARRIERS = 64;
/** Carriers in use at once. */
export const MAX_BOND_CARRIERS = 8;

/**
 * A carrier on which bytes are awaited is suspect after `SUSPECT_MS` of silence, on a slow path after `SUSPECT_ROUND_TRIPS` × smoothed round
 * trip, though no longer than after `SLOW_SUSPECT_MS` and two round trips.
 */
export const SUSPECT_MS = 3000;
/** A path on which a handshake took so long is so slow that a spare carrier for nothing would cost more than waiting longer does. */
export const SLOW_HANDSHAKE_MS = 1000;
export const SLOW_SUSPECT_MS = 5000;
export const SUSPECT_ROUND_TRIPS = 8;
/** With streams open, a silent carrier is pinged after a random time around this; the time doubles while nothing else happens. */
export const FIRST_PING_MS = 2000;
export const MAX_PING_MS = 45_000;
/** A relay gives a carrier up when nothing has come on it for this long: several of the client's pings are missing. */
export const SILENT_CARRIER_MS = 150_000;
export const RELAY_WATCH_MS = 30_000;
/** How often a client looks at its carriers, on average. */
export const WATCH_MS = 500;

/** For so long bytes that complete no record count as a sign of life: far longer than a record takes that fits its carrier's rate. */
export const PARTIAL_RECORD_MS = 30_000;

/** How long a carrier that was given up stays open and is drained: a random time between these. */
export const LINGER_MIN_MS = 20_000;
export const LINGER_MAX_MS = 60_000;

/** Connections on which bytes were changed and that a client drains until their peers end them; older ones are closed late. */
export const MAX_DRAINED_CONNS = 64;

/** Waiting time between attempts to attach: doubles from the first to the last, each drawn from half of it to all of it. */
export const ATTACH_BACKOFF_MIN_MS = 100;
export const ATTACH_BACKOFF_MAX_MS = 3000;
/** The same while another carrier serves: a censor may allow only so many at once. */
export const SPARE_BACKOFF_MAX_MS = 15_000;
/** A carrier beside others is attached a random time after the need for it has shown, at most this. */
export const SPARE_ATTACH_MS = 50;

/** What an upstream proxy may answer before it has connected; of its URL, and of the user name and password in it (RFC 1929). */
export const MAX_PROXY_HEAD_BYTES: number = 16 * KIB;
export const MAX_PROXY_URL_CHARS = 1024;
export const MAX_PROXY_CREDENTIAL_BYTES = 255;
