/** An origin that runs as a child process: known bytes down, checked bytes up, echo. */
export interface Origin {
  /** Its port of 127.0.0.1. */
  readonly port: number;
  readonly pid: number;
  /** Ends it. */
  readonly stop: () => void;
}

/** Starts origin.mjs. */
export function startOrigin(): Promise<Origin>;

/** Through what, and to which origin. */
export interface IntegrityPath {
  /** The SOCKS5 proxy, as `HOST:PORT` or `USER:PASSWORD@HOST:PORT`; none: straight. */
  readonly socks?: string | undefined;
  /** Port of 127.0.0.1 where an origin.mjs listens; see `startOrigin`. */
  readonly originPort: number;
  /** It fails where nothing moves on a stream for so long; default 120 s. */
  readonly stallMs?: number;
}

/** One direction's transfer. */
export interface TransferResult {
  readonly direction: 'down' | 'up';
  readonly bytes: number;
  readonly seconds: number;
  readonly mbPerSecond: number;
  /** Equal to that of what was sent, or there would have been an error. */
  readonly sha256: string;
  /** Downloads only: the longest time without a byte. */
  readonly longestGapMs?: number;
}

/** What an echo found. */
export interface EchoResult {
  readonly bytes: number;
  readonly messages: number;
  readonly roundTripMs: { readonly median: number; readonly p99: number; readonly max: number };
  readonly sha256: string;
}

/**
 * Moves `mb` MB (10^6) in each of `directions` (default both) at the same time; every byte is compared and the whole hashed.
 * Rejects where the application would have seen an error or a wrong byte.
 */
export function runTransfer(
  options: IntegrityPath & {
    readonly mb: number;
    readonly directions?: readonly ('down' | 'up')[];
    /** Where in the known sequence it begins (default 0): transfers beside each other begin at different places. */
    readonly from?: number;
    /** Called again and again with what has come down, and what was handed to the proxy to go up. */
    readonly onProgress?: (direction: 'down' | 'up', bytes: number) => void;
  },
): Promise<TransferResult[]>;

/**
 * Echoes random messages for `seconds`, waits for all of them, ends its side and expects a clean end.
 * Rejects where the application would have seen an error, a wrong byte or another end.
 */
export function runEcho(options: IntegrityPath & { readonly seconds: number }): Promise<EchoResult>;
