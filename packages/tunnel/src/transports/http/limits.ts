/** All bounds of the transport. Times in milliseconds, sizes in bytes. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** What an operator gets who chooses nothing, and what may be chosen. */
export const MESSAGE_BYTES = { default: 512 * KIB, least: 8 * KIB, most: 8 * MIB } as const;
export const MESSAGE_AGE_MS = { default: 18_000, least: 1000, most: 60_000 } as const;

/** Connections that one client has open to one listener for one carrier, and how many of them may wait for answers or carry uploads. */
export const MAX_LANES = 8;
export const MAX_POLLS = 4;
export const MAX_UPLOADS = 5;
/** Lanes that polls leave to uploads while these need them, and uploads of less than `FEW_BYTES` that need not wait for another. */
export const KEPT_UPLOADS = 4;
export const LEAST_SMALL_UPLOADS = 3;
export const FEW_BYTES: number = 4 * KIB;

/** A listener holds so many requests of one carrier open; further ones are the site's. */
export const MAX_HELD_REQUESTS = 16;

/** Bytes that a receiver takes beyond what its reader has taken. */
export const WINDOW_BYTES: number = 4 * MIB;
/** A writer has to wait while so many bytes are not yet acknowledged, or more wait than the next message takes. */
export const SEND_BUFFER_BYTES: number = 4 * MIB;
/** Of these a reader is told as soon as it has taken them. */
export const WINDOW_STEP_BYTES: number = WINDOW_BYTES / 4;

/** Bytes of one frame's data. */
export const MAX_FRAME_BYTES: number = 64 * KIB;
/** A body that carries less than this is padded by a random length below `PADDING_BYTES`. */
export const SMALL_BODY_BYTES = 512;
export const PADDING_BYTES = 384;
/** Pieces below this are copied out of the memory in which they came, if that is larger. */
export const COPIED_BYTES: number = 2 * KIB;

/**
 * A message's size begins here, grows by a quarter while it is on the line for less than `ON_LINE_MS` and so many round trips, beside the
 * round trip that each takes, and shrinks by a quarter, down to `LEAST_PACED_BYTES`, when that is half as much again and stays so. It is halved
 * when it takes longer than half of its age.
 */
export const FIRST_MESSAGE_BYTES: number = 256 * KIB;
export const ON_LINE_MS = 100;
export const ON_LINE_ROUND_TRIPS = 1 / 3;
export const LEAST_PACED_BYTES: number = 64 * KIB;

/** A frame's bytes count when all of it has come, so a message has so many of them, unless they would be smaller than the second. */
export const FRAMES_PER_MESSAGE = 8;
export const LEAST_FRAME_BYTES: number = 8 * KIB;

/** An opening may carry so much: a first flight and what comes with it. */
export const OPENING_BYTES: number = 16 * KIB;

/** Failures of requests one after another after which the connection is given up; a request tells of the last 32 before it. */
export const MAX_FAILURES = 8;
/** So many while nothing was ever answered: this way may be blocked, and whoever dials has others to try. */
export const MAX_OPENING_FAILURES = 3;
export const FAILURE_HISTORY = 32;
/** Wait before the next request after so many failures: doubles from the first to the last. */
export const RETRY_MIN_MS = 50;
export const RETRY_MAX_MS = 3000;

/** Pause between two polls once answers have come back empty: doubles from the first to the last, drawn from half of it to all of it. */
export const IDLE_PAUSE_MIN_MS = 50;
export const IDLE_PAUSE_MAX_MS = 2000;

/** A request fails when nothing has come for so long beyond the time for which its answer may be held. */
export const REQUEST_PATIENCE_MS = 12_000;
/** A streamed answer has to show its first bytes within `BEACON_ROUND_TRIPS` round trips and this. */
export const BEACON_MS = 250;
export const BEACON_ROUND_TRIPS = 3;

/** A listener forgets a carrier that has sent no request for so long; what is over it remembers for `TOMBSTONE_MS`. */
export const SILENT_CARRIER_MS = 75_000;
export const TOMBSTONE_MS = 30_000;
/** Time for the last words of a connection that its owner has let go. */
export const LAST_WORDS_MS = 20_000;

/** Carriers of one listener. */
export const MAX_CARRIERS = 20_000;
/** Connections of one listener, strangers' included; further ones are closed. */
export const MAX_CONNECTIONS = 16_384;
/** Carriers of the past whose names are kept: some 100 bytes each. */
export const MAX_PAST_CARRIERS = 65_536;
/** For so long a listener holds answers back once it is closed: its clients may not get further connections. */
export const CLOSED_HOLD_MS = 1000;

/** A response's head may have so many bytes; a chunk's line and the trailers too. */
export const MAX_HEAD_BYTES: number = 32 * KIB;
export const MAX_LINE_BYTES: number = 4 * KIB;
