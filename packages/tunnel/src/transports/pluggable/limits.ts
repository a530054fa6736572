/** Bounds of this transport. Times in milliseconds, sizes in bytes. */

/** From the start of an executable to the last line of its answer. */
export const START_MS = 10_000;
/** An executable that is to end gets SIGTERM after the first time and SIGKILL after the second. */
export const TERMINATE_MS = 300;
export const KILL_MS = 1000;
/** Waiting time before an executable that has died is started again: doubles from the first to the last. */
export const RESTART_BACKOFF = { minMs: 500, maxMs: 30_000 } as const;
/** An executable that has lived for so long begins with the shortest wait again. */
export const SETTLED_MS = 60_000;

/** One line of an executable, and all lines before it is ready. Afterwards its output is read and thrown away. */
export const MAX_LINE_BYTES: number = 8 * 1024;
export const MAX_START_BYTES: number = 64 * 1024;
/** What is shown of a reason that an executable gives. */
export const MAX_REASON_CHARS = 200;

/** User name and password of SOCKS5 (RFC 1929), into which the arguments of a client have to fit. */
export const MAX_SOCKS_TEXT_BYTES = 255;
/** From the request to the executable's answer; executables have limits of their own. */
export const CONNECT_MS = 60_000;

/** Words of a command, and what its state may take in the relay's settings. */
export const MAX_COMMAND_WORDS = 16;
export const MAX_COMMAND_CHARS = 1024;
export const MAX_STATE_FILES = 16;
export const MAX_STATE_BYTES: number = 32 * 1024;

/** From an accepted connection to the end of the extended ORPort's preamble; connections that are in it at once. */
export const PREAMBLE_MS = 10_000;
export const MAX_PREAMBLES = 1024;
export const MAX_PREAMBLE_BODY_BYTES = 1024;

/** How often the port is looked at after an executable was asked to stop listening, and how often at most. */
export const CLOSING_POLL_MS = 10;
export const MAX_CLOSING_POLLS = 100;

/** How long an executable that was asked to end after its last connection gets to do so, once we have closed that. */
export const FLUSH_MS = 2000;

/** A process that is not the one in charge of the executable tries again after this, if nobody is. */
export const ELECTION_MS = 50;
/** So long after the lead was given up somebody else has it, if anybody is there. */
export const HEIR_MS = 200;
