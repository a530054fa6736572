// Every bound of the local proxies. They serve programs of the same person on the same machine, so that the bounds are there
// against accidents (a browser gone wild, a stuck program, a web page that pokes at loopback ports), not against an army.

/** Connections from applications that both proxies together hold at a time; more are reset at once. */
export const DEFAULT_MAX_CONNECTIONS = 4096;

/** How long an application may take to say, by SOCKS, where it wants to go. Milliseconds. */
export const SOCKS_HANDSHAKE_MS = 30_000;

/** The longest user id or host name that a SOCKS4a request may carry. */
export const MAX_SOCKS4_TEXT_BYTES = 255;

/** How long a connection to the HTTP proxy may wait for the end of its first, or its next, request head. Milliseconds. */
export const HTTP_IDLE_MS = 60_000;

/** The largest head of a request or an answer; browsers and sites stay below 16 KiB, apart from cookies gone wild. */
export const MAX_HTTP_HEAD_BYTES = 64 * 1024;

/** How long an unused stream to a site is kept for the next request; less than the 60 s and more of common servers. Milliseconds. */
export const UPSTREAM_IDLE_MS = 15_000;

/** Unused streams kept per site: as many as browsers open. */
export const MAX_IDLE_UPSTREAMS = 6;

/** How long a last answer may take to reach the application before the connection is cut. Milliseconds. */
export const CLOSE_LINGER_MS = 2_000;

/** UDP associations at a time; each has a socket here and one or two at the relay, whose own cap for a session is the same. */
export const MAX_ASSOCIATIONS = 256;
