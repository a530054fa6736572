/** All bounds of this transport. Times in milliseconds, sizes in bytes. */

const KIB = 1024;

/** The most of a first flight that goes into the request: in base64url it stays below what web servers take in one line. */
export const MAX_COOKIE_BYTES = 2600;

/** A server's answer to the request, before it must be over. */
export const MAX_ANSWER_BYTES: number = 16 * KIB;

/** For how long a request of ours may wait for the relay's decision; the site answers then. */
export const DECISION_MS = 10_000;

/** Control frames carry at most this much (RFC 6455 §5.5). */
export const MAX_CONTROL_BYTES = 125;

/** Frames as long as a browser's or a proxy's may be; the payload of one is never kept as a whole. */
export const MAX_FRAME_BYTES: number = 2 ** 32;

/** A write of more is split into several frames. */
export const SENT_FRAME_BYTES: number = 1024 * KIB;

/**
 * Pieces of this size, of one frame, are put together up to so much before a reader gets them. Little enough that on a line of 100 kbit/s
 * a sign of life comes within five seconds.
 */
export const LEAST_GATHERED_BYTES: number = 8 * KIB;
export const GATHER_BYTES: number = 64 * KIB;

/** Small writes are gathered with their header; larger ones are not copied. */
export const COPIED_WRITE_BYTES: number = 2 * KIB;

/** A browser's WebSocket is given so much more than has gone out, and no more. */
export const BROWSER_AHEAD_BYTES: number = 256 * KIB;

/** Nothing is said to a ping while so much waits. */
export const MAX_PONG_QUEUE_BYTES: number = 64 * KIB;

/** For how long the peer's end is waited for after both sides have said their last. */
export const FAREWELL_MS = 10_000;

/** Connections of a listener that are no carriers: being served by the site, or about to be. More are closed at once. */
export const MAX_VISITORS = 8192;
