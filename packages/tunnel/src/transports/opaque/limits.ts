/** All bounds of the prefixes. Times in milliseconds, sizes in bytes. */

/** Strangers that one listener answers at once; the next ones are let go, as a busy server does. */
export const MAX_STRANGERS = 2000;

/** For so long a client's first message is waited for before the imitated program goes on with what there is. */
export const HOLD_MS = 10_000;

/** The longest pause that a relay may draw for its clients, before their first bytes. */
export const MAX_DELAY_MS = 12;

/** What a client takes of a relay before the imitated handshake is over. */
export const MAX_HANDSHAKE_BYTES = 64 * 1024;

/** How long a client waits for the relay's part of the imitated handshake. */
export const HANDSHAKE_MS = 20_000;

/** The most bytes that a request's head may have. */
export const MAX_HEAD_BYTES = 2048;

/** How long a stranger may take to log in: sshd's default. */
export const LOGIN_GRACE_MS = 120_000;
