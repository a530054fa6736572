/** Bounds of this package. Sizes in bytes, times in milliseconds. */

/** Bridges that a client side keeps sessions with, and connections of its parent at once. */
export const MAX_BRIDGES = 32;
export const MAX_CONNECTIONS = 1024;
/** From a connection of the parent to the end of its SOCKS request. */
export const SOCKS_REQUEST_MS = 10_000;
/** What fits into user name and password of a SOCKS5 login (RFC 1929), and so into the arguments of a bridge. */
export const MAX_ARGUMENT_BYTES: number = 2 * 255;
