// All bounds of this package. Sizes in bytes, times in ms.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** For how long what a role signs is valid (DESIGN §4). */
export const VALID_MS = {
  root: 365 * DAY_MS,
  targets: 365 * DAY_MS,
  releases: 182 * DAY_MS,
  partner: 182 * DAY_MS,
  network: 48 * HOUR_MS,
  snapshot: 48 * HOUR_MS,
  timestamp: 48 * HOUR_MS,
} as const;

/** Online roles are signed anew when less than this share of their validity is left. */
export const RENEW_BELOW_SHARE = 0.5;
/** The timestamp is signed anew after this time, though nothing has changed: so that clients know that nothing has. */
export const TIMESTAMP_RENEW_MS = 6 * HOUR_MS;
/** Files that nothing refers to any more are kept for so long, for clients that are in the middle of an update. */
export const KEEP_UNREFERENCED_MS = 48 * HOUR_MS;

/** Keys of an offline role, where all are drawn at once, and how many of them have to sign. */
export const OFFLINE_KEYS = 3;
export const OFFLINE_THRESHOLD = 2;
/** 2^6 bins for entry lists: three lists in each at 200 channels, and a snapshot of 2 KB. */
export const LIST_BIN_BITS = 6;

export const MAX_ROOT_BYTES: number = 64 * 1024;
export const MAX_TIMESTAMP_BYTES: number = 4 * 1024;
export const MAX_SNAPSHOT_BYTES: number = 256 * 1024;
export const MAX_TARGETS_BYTES: number = 512 * 1024;
/** A target, where the caller names no smaller bound. */
export const MAX_TARGET_BYTES: number = 64 * 1024 * 1024;
/** New roots that are taken in one refresh. */
export const MAX_ROOT_ROTATIONS = 64;
export const MAX_MIRRORS = 64;
/** Targets that a client keeps; the one that was not asked for for the longest time goes first. */
export const MAX_KEPT_TARGETS = 256;

/** An entry, a list of them as it is signed and sealed, and a list as it is read. */
export const MAX_PAPER_BYTES: number = 8 * 1024;
export const MAX_LIST_PAPERS = 4096;
export const MAX_SEALED_LIST_BYTES: number = 512 * 1024;
export const MAX_LIST_BYTES: number = 2 * 1024 * 1024;
/** Deltas that a list has at the most; a client that is further behind takes the whole list. */
export const MAX_DELTAS = 6;

/** A mirror has to send so many bytes in each such time, or it is given up. */
export const SLOW_WINDOW_MS = 30_000;
export const SLOW_WINDOW_BYTES = 512;
/** What was received of a file that was never finished is kept so long. */
export const KEEP_PARTS_MS: number = 14 * DAY_MS;
/** A connection to a mirror is kept so long for what comes next. */
export const MIRROR_IDLE_MS = 10_000;
/** Attempts at one mirror before the next one is tried. */
export const DEFAULT_FAILURES_PER_MIRROR = 2;
/** A target is put into the store in parts of this size, so that a transfer can go on later. */
export const PART_BYTES: number = 64 * 1024;
/** A clock that is further off than this is called wrong. */
export const CLOCK_TOLERANCE_MS: number = 2 * HOUR_MS;

/** A brand file, and the entries in it. */
export const MAX_BRAND_BYTES: number = 512 * 1024;
export const MAX_BRAND_ENTRIES = 64;

/** A file of a key. */
export const MAX_KEY_FILE_BYTES: number = 16 * 1024;
