/** All bounds of the decoy site. Times in milliseconds, sizes in bytes. */

const KIB = 1024;

/** A request's line and headers; more is answered with 431. */
export const MAX_HEAD_BYTES: number = 16 * KIB;

/** Until a request's headers are whole, and until the whole request is; 408 after. The defaults of Node, which many sites have. */
export const HEAD_TIMEOUT_MS = 60_000;
export const REQUEST_TIMEOUT_MS = 300_000;
/** A connection on which nobody asks for more. */
export const KEEP_ALIVE_MS = 5000;

/** Requests on one connection. */
export const MAX_REQUESTS_PER_CONNECTION = 1000;

/** Characters of a path that are looked at; longer ones are not found. */
export const MAX_PATH_CHARS = 1024;

/** For how long the site behind a reverse proxy may be silent before it counts as broken. */
export const UPSTREAM_SILENCE_MS = 30_000;

/** A site waits up to so long before each answer. The test of a client's message takes 0.02 to 0.15 ms. */
export const MAX_HESITATION_MS = 8;
