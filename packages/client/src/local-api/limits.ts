/** Bounds of the local API, but for those that its contract names (`API_BOUNDS`). Times in milliseconds. */

/** How long a one-time code is good. */
export const CODE_MS = 60_000;
/** Codes that are good at the same time; the oldest makes room. */
export const MAX_CODES = 8;
/** Tokens that are good at the same time; the oldest makes room. */
export const MAX_TOKENS = 16;
/** So many wrong codes are answered within this time; then no code is, for as long. */
export const WRONG_CODES = 10;
export const WRONG_CODES_MS = 60_000;
/** The code in the file is replaced when it is so old: whoever reads it then has the rest of `CODE_MS`. */
export const CODE_RENEWAL_MS = 30_000;
/** Connections at a time; beyond, the oldest that has shown no token makes room. */
export const MAX_CONNECTIONS = 64;
/** A request has to have come, whole, within this time of its connection, or of the reply before it. */
export const REQUEST_MS = 15_000;
export const MAX_HEAD_BYTES = 16_384;
/** How often the state is looked at. */
export const SAMPLE_MS = 1000;
/** Rates are over so many samples. */
export const RATE_SAMPLES = 3;
/** A session that nothing has been heard of for so long is no connection any more. */
export const GIVEN_UP_MS = 30_000;
/** Of the app: files, and bytes of all together. */
export const MAX_APP_FILES = 512;
export const MAX_APP_BYTES: number = 16 * 1024 * 1024;
/** Kinds of failures that an account has. */
export const MAX_WHY_FAILURES = 64;
/** What a client that runs may take to answer another, and how far into the answer the app's title is. */
export const APP_ANSWER_MS = 5_000;
export const MAX_APP_ANSWER_CHARS = 16_384;
/** What the opening of a browser may take. */
export const APP_OPEN_MS = 15_000;
export const MAX_SETTINGS_BYTES: number = 16 * 1024;
